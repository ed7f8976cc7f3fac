"""joblib on loky with its own batches."""

from contextlib import contextmanager

from joblib import Parallel, delayed

from harness import WORKERS

NAME = "joblib (loky)"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    with Parallel(n_jobs=WORKERS) as parallel:
        yield lambda function, items: parallel(delayed(function)(item) for item in items)
