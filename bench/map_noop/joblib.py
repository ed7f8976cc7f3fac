"""joblib on loky, one item a task."""

from contextlib import contextmanager

from joblib import Parallel, delayed

from harness import WORKERS
from harness.tasks import nothing

NAME = "joblib (loky), batch_size=1"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    with Parallel(n_jobs=WORKERS, batch_size=1) as parallel:
        yield lambda items: parallel(delayed(nothing)(item) for item in items)
