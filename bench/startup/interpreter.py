"""The interpreter alone: below this nobody gets."""

from contextlib import contextmanager

NAME = "python -c pass"
PROGRAM = """
print([1, 2])
"""


@contextmanager
def competitor():
    yield PROGRAM
