"""The array itself through Pool.apply."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.arrays import look

NAME = "multiprocessing.Pool.apply"


@contextmanager
def competitor():
    with get_context("spawn").Pool(WORKERS) as pool:
        yield lambda values: lambda: pool.apply(look, (values,))
