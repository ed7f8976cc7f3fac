"""joblib on loky; large arrays go through memory-mapped files, which is its default."""

from contextlib import contextmanager

from joblib import Parallel, delayed

from harness import WORKERS

NAME = "joblib (loky)"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    with Parallel(n_jobs=WORKERS, batch_size=1) as parallel:
        yield lambda function, item: parallel([delayed(function)(item)])[0]
