"""ProcessPoolExecutor, start method forkserver."""

from contextlib import contextmanager

NAME = "ProcessPoolExecutor, forkserver"
PROGRAM = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
    print(list(pool.map(abs, [-1, -2])))
"""


@contextmanager
def competitor():
    yield PROGRAM
