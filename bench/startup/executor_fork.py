"""ProcessPoolExecutor, start method fork."""

from contextlib import contextmanager

NAME = "ProcessPoolExecutor, fork"
PROGRAM = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
    print(list(pool.map(abs, [-1, -2])))
"""


@contextmanager
def competitor():
    yield PROGRAM
