"""joblib on multiprocessing.Pool: a pool for each call."""

from contextlib import contextmanager

NAME = "joblib (multiprocessing)"
DISTRIBUTION = "joblib"


@contextmanager
def competitor():
    yield "multiprocessing"
