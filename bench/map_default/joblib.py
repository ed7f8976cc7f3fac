"""joblib on loky, which makes its batches larger as it goes."""

from contextlib import contextmanager

from joblib import Parallel, delayed

from harness import WORKERS
from harness.tasks import nothing

NAME = "joblib (loky)"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    with Parallel(n_jobs=WORKERS) as parallel:
        yield lambda items: parallel(delayed(nothing)(item) for item in items)
