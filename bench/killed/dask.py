"""A future an item, not tried again, each asked for its outcome."""

from contextlib import contextmanager

import dask

from harness.dask_local import local_dask

NAME = "Dask"
DISTRIBUTION = "distributed"
NOISY = True


@contextmanager
def competitor():
    def run(function, items):
        futures = client.map(function, items, pure=False)
        return [future.exception() or future.result() for future in futures]

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), local_dask() as client:
        yield run
