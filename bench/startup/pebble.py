"""pebble with spawned workers."""

from contextlib import contextmanager

NAME = "pebble, spawn"
DISTRIBUTION = "pebble"
PROGRAM = """
from multiprocessing import get_context

from pebble import ProcessPool

with ProcessPool(max_workers=2, context=get_context("spawn")) as pool:
    print(list(pool.map(abs, [-1, -2]).result()))
"""


@contextmanager
def competitor():
    yield PROGRAM
