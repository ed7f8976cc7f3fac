"""Deadpool, one item a task."""

from contextlib import contextmanager

from deadpool import Deadpool

from harness import WORKERS

NAME = "deadpool"
DISTRIBUTION = "deadpool-executor"


@contextmanager
def competitor():
    with Deadpool(max_workers=WORKERS) as pool:
        yield lambda function, items: list(pool.map(function, items))
