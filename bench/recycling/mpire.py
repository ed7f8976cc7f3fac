"""mpire with worker_lifespan."""

from contextlib import contextmanager

from mpire import WorkerPool

from harness import WORKERS
from harness.tasks import nothing

NAME = "mpire"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    with (
        WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as never,
        WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as often,
    ):
        yield lambda items, every: (often if every else never).map(
            nothing, items, chunk_size=1, worker_lifespan=every, concatenate_numpy_output=False
        )
