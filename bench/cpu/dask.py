"""Dask, one task an item."""

from contextlib import contextmanager

from harness.dask_local import local_dask

NAME = "Dask"
DISTRIBUTION = "distributed"
NOISY = True


@contextmanager
def competitor():
    with local_dask() as client:
        yield lambda function, items: client.gather(client.map(function, items, pure=False))
