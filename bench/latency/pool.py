"""Pool.apply: the standard library's call of one function in a worker."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "multiprocessing.Pool.apply"


@contextmanager
def competitor():
    with get_context("spawn").Pool(WORKERS) as pool:
        yield lambda function, item: pool.apply(function, (item,))
