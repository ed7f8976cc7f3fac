"""Dask's scheduler and workers up and down again."""

from contextlib import contextmanager

NAME = "Dask"
DISTRIBUTION = "distributed"
PROGRAM = """
from harness.dask_local import local_dask

with local_dask() as client:
    print(client.gather(client.map(abs, [-1, -2])))
"""


@contextmanager
def competitor():
    yield PROGRAM
