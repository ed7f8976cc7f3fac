"""The standard library's Pool: an eighth of the items to a chunk with two workers."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.tasks import nothing

NAME = "multiprocessing.Pool"


@contextmanager
def competitor():
    with get_context("spawn").Pool(WORKERS) as pool:
        yield lambda items: pool.map(nothing, items)
