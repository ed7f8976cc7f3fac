"""parallel_map; its pool ends with the interpreter."""

from contextlib import contextmanager

NAME = "centimane"
DISTRIBUTION = "centimane"
PROGRAM = """
from centimane import parallel_map

print(list(parallel_map(abs, [-1, -2], executor="process", workers=2)))
"""


@contextmanager
def competitor():
    yield PROGRAM
