"""Deadpool, an executor that survives its workers; one item a task."""

from contextlib import contextmanager

from deadpool import Deadpool

from harness import WORKERS
from harness.tasks import nothing

NAME = "deadpool"
DISTRIBUTION = "deadpool-executor"


@contextmanager
def competitor():
    with Deadpool(max_workers=WORKERS) as pool:
        yield lambda items: pool.map(nothing, items)
