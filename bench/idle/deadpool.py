"""Deadpool's pool."""

from contextlib import contextmanager

from deadpool import Deadpool

from harness import WORKERS
from harness.tasks import nothing

NAME = "deadpool"
DISTRIBUTION = "deadpool-executor"


@contextmanager
def competitor():
    with Deadpool(max_workers=WORKERS) as pool:
        yield lambda: list(pool.map(nothing, range(100)))
