"""The standard library's Pool, one item a task."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "multiprocessing.Pool, chunksize=1"


@contextmanager
def competitor():
    with get_context("spawn").Pool(WORKERS) as pool:
        yield lambda function, items: pool.map(function, items, chunksize=1)
