"""The array itself through submit and result of the standard library's ProcessPoolExecutor."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.arrays import look

NAME = "ProcessPoolExecutor.submit"


@contextmanager
def competitor():
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        yield lambda values: lambda: pool.submit(look, values).result()
