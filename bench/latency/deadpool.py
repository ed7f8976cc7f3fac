"""Deadpool: submit and result."""

from contextlib import contextmanager

from deadpool import Deadpool

from harness import WORKERS

NAME = "deadpool"
DISTRIBUTION = "deadpool-executor"


@contextmanager
def competitor():
    with Deadpool(max_workers=WORKERS) as pool:
        yield lambda function, item: pool.submit(function, item).result()
