"""submit and result of the standard library's ProcessPoolExecutor."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "ProcessPoolExecutor.submit"


@contextmanager
def competitor():
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        yield lambda function, item: pool.submit(function, item).result()
