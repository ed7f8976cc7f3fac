"""The standard library's ProcessPoolExecutor; one item a task is its default."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.tasks import nothing

NAME = "ProcessPoolExecutor"


@contextmanager
def competitor():
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        yield lambda items: pool.map(nothing, items)
