"""loky's executor, which joblib brings along."""

from contextlib import contextmanager

from joblib.externals.loky import ProcessPoolExecutor

from harness import WORKERS

NAME = "loky"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    executor = ProcessPoolExecutor(WORKERS)
    yield executor
    executor.shutdown()
