"""multiprocessing.Process, start method forkserver."""

from contextlib import contextmanager
from multiprocessing import get_context

NAME = "multiprocessing.Process, forkserver"


@contextmanager
def competitor():
    yield get_context("forkserver").Process
