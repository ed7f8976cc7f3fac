"""The standard library's ThreadPoolExecutor."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from harness import WORKERS

NAME = "ThreadPoolExecutor"


@contextmanager
def competitor():
    with ThreadPoolExecutor(WORKERS) as executor:
        yield executor
