"""multiprocessing.Process, start method fork."""

from contextlib import contextmanager
from multiprocessing import get_context

NAME = "multiprocessing.Process, fork"


@contextmanager
def competitor():
    yield get_context("fork").Process
