"""mpire's map, one item a task."""

from contextlib import contextmanager

from mpire import WorkerPool

from harness import WORKERS

NAME = "mpire"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    def run(function, items):
        with WorkerPool(n_jobs=WORKERS, start_method="spawn") as pool:
            return pool.map(function, [(item,) for item in items], chunk_size=1, concatenate_numpy_output=False)

    yield run
