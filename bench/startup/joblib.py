"""joblib on loky."""

from contextlib import contextmanager

NAME = "joblib (loky)"
DISTRIBUTION = "joblib"
PROGRAM = """
from joblib import Parallel, delayed

print(Parallel(n_jobs=2)(delayed(abs)(item) for item in [-1, -2]))
"""


@contextmanager
def competitor():
    yield PROGRAM
