"""Dask: submit and result."""

from contextlib import contextmanager

from harness.dask_local import local_dask

NAME = "Dask"
DISTRIBUTION = "distributed"
NOISY = True


@contextmanager
def competitor():
    with local_dask() as client:
        yield lambda function, item: client.submit(function, item, pure=False).result()
