"""mpire: apply and get."""

from contextlib import contextmanager

from mpire import WorkerPool

from harness import WORKERS

NAME = "mpire"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    with WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as pool:
        yield lambda function, item: pool.apply(function, (item,))
