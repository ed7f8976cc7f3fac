"""multiprocessing.Pool, start method spawn."""

from contextlib import contextmanager

NAME = "multiprocessing.Pool, spawn"
PROGRAM = """
from multiprocessing import get_context

with get_context("spawn").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
    pool.close()
    pool.join()
"""


@contextmanager
def competitor():
    yield PROGRAM
