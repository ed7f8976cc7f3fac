"""A future an item, each asked for its outcome."""

from contextlib import contextmanager
from multiprocessing import get_context

from pebble import ProcessPool

from harness import WORKERS

NAME = "pebble"
DISTRIBUTION = "pebble"


@contextmanager
def competitor():
    def run(function, items):
        with ProcessPool(max_workers=WORKERS, context=get_context("spawn")) as pool:
            futures = [pool.schedule(function, args=(item,)) for item in items]
            return [future.exception() or future.result() for future in futures]

    yield run
