"""How every workload opens Dask's distributed scheduler on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client, LocalCluster

from . import WORKERS


@contextmanager
def local_dask() -> Iterator[Client]:
    """A scheduler in this process, as many worker processes as everybody has; down again at the end."""
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client
