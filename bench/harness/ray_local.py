"""How every workload opens Ray on this machine: as small as it can be had."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from . import WORKERS


@contextmanager
def local_ray() -> Iterator[None]:
    """Its daemons up, as many workers as everybody has; down again at the end."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:  # else its logs stay
        ray.init(
            num_cpus=WORKERS,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=2**30,
            _temp_dir=folder,
        )
        try:
            yield
        finally:
            ray.shutdown()
