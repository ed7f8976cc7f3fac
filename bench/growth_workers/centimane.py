"""parallel_map on processes."""

from contextlib import contextmanager

from centimane import parallel_map
from harness.tasks import nothing

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda items, workers: parallel_map(nothing, items, executor="process", workers=workers)
