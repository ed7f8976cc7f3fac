"""joblib's loky workers."""

from contextlib import contextmanager

from joblib import Parallel, delayed

from harness import WORKERS
from harness.tasks import nothing

NAME = "joblib (loky)"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    with Parallel(n_jobs=WORKERS, batch_size=1) as parallel:
        yield lambda: parallel(delayed(nothing)(item) for item in range(100))
