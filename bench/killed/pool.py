"""Pool.map, one item a task."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "multiprocessing.Pool"


@contextmanager
def competitor():
    def run(function, items):
        with get_context("spawn").Pool(WORKERS) as pool:
            return pool.map(function, items, chunksize=1)

    yield run
