"""The standard library's ThreadPoolExecutor: what an event loop uses unless it is told otherwise."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from harness import WORKERS

NAME = "ThreadPoolExecutor"


@contextmanager
def competitor():
    with ThreadPoolExecutor(WORKERS) as executor:
        yield executor
