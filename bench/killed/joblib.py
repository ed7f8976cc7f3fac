"""joblib on loky, one item a task."""

from contextlib import contextmanager

from joblib import Parallel, delayed

from harness import WORKERS

NAME = "joblib (loky)"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    def run(function, items):
        with Parallel(n_jobs=WORKERS, batch_size=1) as parallel:
            return parallel(delayed(function)(item) for item in items)

    yield run
