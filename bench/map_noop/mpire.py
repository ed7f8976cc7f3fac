"""mpire, one item a task, workers kept alive between maps."""

from contextlib import contextmanager

from mpire import WorkerPool

from harness import WORKERS
from harness.tasks import nothing

NAME = "mpire, chunk_size=1"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    with WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as pool:
        yield lambda items: pool.map(nothing, items, chunk_size=1, concatenate_numpy_output=False)
