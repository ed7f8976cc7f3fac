"""mpire's pool, kept alive."""

from contextlib import contextmanager

from mpire import WorkerPool

from harness import WORKERS
from harness.tasks import nothing

NAME = "mpire"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    with WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as pool:
        yield lambda: pool.map(nothing, range(100), concatenate_numpy_output=False)
