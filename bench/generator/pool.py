"""imap_unordered, one item a task."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS

NAME = "multiprocessing.Pool.imap_unordered"


@contextmanager
def competitor():
    with get_context("spawn").Pool(WORKERS) as pool:
        yield lambda function, items: pool.imap_unordered(function, items)
