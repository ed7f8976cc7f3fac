"""pebble's ProcessPool; one item a task is its default."""

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
        yield lambda items: pool.map(nothing, items).result()
