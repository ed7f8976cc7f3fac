"""The standard library's ProcessPoolExecutor."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.tasks import nothing

NAME = "ProcessPoolExecutor"


@contextmanager
def competitor():
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        yield lambda: list(pool.map(nothing, range(100)))
