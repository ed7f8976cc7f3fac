"""Deadpool with its own start method, forkserver."""

from contextlib import contextmanager

NAME = "deadpool"
DISTRIBUTION = "deadpool-executor"
PROGRAM = """
from deadpool import Deadpool

with Deadpool(max_workers=2) as pool:
    print(list(pool.map(abs, [-1, -2])))
"""


@contextmanager
def competitor():
    yield PROGRAM
