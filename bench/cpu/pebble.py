"""pebble, one item a task."""

from contextlib import contextmanager
from multiprocessing import get_context

from pebble import ProcessPool

from harness import WORKERS

NAME = "pebble"
DISTRIBUTION = "pebble"


@contextmanager
def competitor():
    with ProcessPool(max_workers=WORKERS, context=get_context("spawn")) as pool:
        yield lambda function, items: list(pool.map(function, items).result())
