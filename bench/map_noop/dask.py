"""Dask's distributed scheduler on this machine, one task an item."""

from contextlib import contextmanager

from harness.dask_local import local_dask
from harness.tasks import nothing

NAME = "Dask"
DISTRIBUTION = "distributed"
NOISY = True


@contextmanager
def competitor():
    with local_dask() as client:
        yield lambda items: client.gather(client.map(nothing, items, pure=False))
