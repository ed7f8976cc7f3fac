"""multiprocessing.Queue: a thread feeds a pipe."""

from contextlib import contextmanager
from multiprocessing import Queue

NAME = "multiprocessing.Queue"


@contextmanager
def competitor():
    yield Queue
