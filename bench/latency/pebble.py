"""pebble: schedule and result."""

from contextlib import contextmanager
from multiprocessing import get_context

from pebble import ProcessPool

from harness import WORKERS

NAME = "pebble"
DISTRIBUTION = "pebble"


@contextmanager
def competitor():
    with ProcessPool(max_workers=WORKERS, context=get_context("spawn")) as pool:
        yield lambda function, item: pool.schedule(function, args=(item,)).result()
