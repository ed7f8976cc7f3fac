"""A future an item, each asked for its outcome."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "ProcessPoolExecutor"


@contextmanager
def competitor():
    def run(function, items):
        with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(function, item) for item in items]
            return [future.exception() or future.result() for future in futures]

    yield run
