"""The standard library's ProcessPoolExecutor."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "ProcessPoolExecutor"


@contextmanager
def competitor():
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as executor:
        yield executor
