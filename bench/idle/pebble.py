"""pebble's pool."""

from contextlib import contextmanager
from multiprocessing import get_context

from pebble import ProcessPool

from harness import WORKERS
from harness.tasks import nothing

NAME = "pebble"
DISTRIBUTION = "pebble"


@contextmanager
def competitor():
    with ProcessPool(max_workers=WORKERS, context=get_context("spawn")) as pool:
        yield lambda: list(pool.map(nothing, range(100)).result())
