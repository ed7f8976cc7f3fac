"""A future an item, each asked for its outcome."""

from contextlib import contextmanager

from deadpool import Deadpool

from harness import WORKERS

NAME = "deadpool"
DISTRIBUTION = "deadpool-executor"


@contextmanager
def competitor():
    def run(function, items):
        with Deadpool(max_workers=WORKERS) as pool:
            futures = [pool.submit(function, item) for item in items]
            return [future.exception() or future.result() for future in futures]

    yield run
