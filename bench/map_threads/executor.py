"""The standard library's ThreadPoolExecutor."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from harness import WORKERS
from harness.tasks import nothing

NAME = "ThreadPoolExecutor"


@contextmanager
def competitor():
    with ThreadPoolExecutor(WORKERS) as pool:
        yield lambda items: pool.map(nothing, items)
