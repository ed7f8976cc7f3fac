"""mpire with spawned workers."""

from contextlib import contextmanager

NAME = "mpire, spawn"
DISTRIBUTION = "mpire"
PROGRAM = """
from mpire import WorkerPool

with WorkerPool(n_jobs=2, start_method="spawn") as pool:
    print(pool.map(abs, [-1, -2]))
"""


@contextmanager
def competitor():
    yield PROGRAM
