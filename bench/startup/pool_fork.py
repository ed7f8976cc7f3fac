"""multiprocessing.Pool, start method fork."""

from contextlib import contextmanager

NAME = "multiprocessing.Pool, fork"
PROGRAM = """
from multiprocessing import get_context

with get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
    pool.close()
    pool.join()
"""


@contextmanager
def competitor():
    yield PROGRAM
