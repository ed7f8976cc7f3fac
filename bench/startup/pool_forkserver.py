"""multiprocessing.Pool, start method forkserver."""

from contextlib import contextmanager

NAME = "multiprocessing.Pool, forkserver"
PROGRAM = """
from multiprocessing import get_context

with get_context("forkserver").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
    pool.close()
    pool.join()
"""


@contextmanager
def competitor():
    yield PROGRAM
