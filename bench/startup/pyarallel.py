"""pyarallel on processes."""

from contextlib import contextmanager

NAME = "pyarallel"
DISTRIBUTION = "pyarallel"
PROGRAM = """
from pyarallel import parallel_map

print(list(parallel_map(abs, [-1, -2], workers=2, executor="process")))
"""


@contextmanager
def competitor():
    yield PROGRAM
