"""mpire with its own chunks."""

from contextlib import contextmanager

from mpire import WorkerPool

from harness import WORKERS

NAME = "mpire"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    with WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as pool:
        yield lambda function, items: pool.map(function, items, concatenate_numpy_output=False)
