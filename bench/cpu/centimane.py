"""parallel_map as a user writes it."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda function, items: parallel_map(function, items, executor="process", workers=WORKERS).values()
