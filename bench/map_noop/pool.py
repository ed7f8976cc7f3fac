"""The standard library's Pool, one item a task."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.tasks import nothing

NAME = "multiprocessing.Pool, chunksize=1"


@contextmanager
def competitor():
    with get_context("spawn").Pool(WORKERS) as pool:
        yield lambda items: pool.map(nothing, items, chunksize=1)
