"""The interpreter and the import of centimane, nothing run."""

from contextlib import contextmanager

NAME = "import of centimane"
DISTRIBUTION = "centimane"
PROGRAM = """
from centimane import parallel_map

print([1, 2])
"""


@contextmanager
def competitor():
    yield PROGRAM
