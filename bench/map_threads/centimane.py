"""parallel_map on threads."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS
from harness.tasks import nothing

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda items: parallel_map(nothing, items, executor="thread", workers=WORKERS).values()
