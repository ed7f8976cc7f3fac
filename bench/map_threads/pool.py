"""The standard library's ThreadPool, one item a task."""

from contextlib import contextmanager
from multiprocessing.pool import ThreadPool

from harness import WORKERS
from harness.tasks import nothing

NAME = "multiprocessing ThreadPool, chunksize=1"


@contextmanager
def competitor():
    with ThreadPool(WORKERS) as pool:
        yield lambda items: pool.map(nothing, items, chunksize=1)
