"""The standard library's Pool with its own chunks."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "multiprocessing.Pool"


@contextmanager
def competitor():
    with get_context("spawn").Pool(WORKERS) as pool:
        yield pool.map
