"""imap_unordered with a chunksize."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "multiprocessing.Pool.imap_unordered, chunksize=1000"


@contextmanager
def competitor():
    with get_context("spawn").Pool(WORKERS) as pool:
        yield lambda function, items: pool.imap_unordered(function, items, chunksize=1000)
