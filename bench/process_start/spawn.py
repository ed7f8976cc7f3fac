"""multiprocessing.Process, start method spawn."""

from contextlib import contextmanager
from multiprocessing import get_context

NAME = "multiprocessing.Process, spawn"


@contextmanager
def competitor():
    yield get_context("spawn").Process
