"""multiprocessing.SimpleQueue: a pipe with two locks."""

from contextlib import contextmanager
from multiprocessing import SimpleQueue

NAME = "multiprocessing.SimpleQueue"


@contextmanager
def competitor():
    yield SimpleQueue
