"""ProcessPoolExecutor, start method spawn."""

from contextlib import contextmanager

NAME = "ProcessPoolExecutor, spawn"
PROGRAM = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
    print(list(pool.map(abs, [-1, -2])))
"""


@contextmanager
def competitor():
    yield PROGRAM
