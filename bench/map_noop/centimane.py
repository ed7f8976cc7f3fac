"""parallel_map as a user writes it. Nothing is chunked: each item is a task."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS
from harness.tasks import nothing

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda items: parallel_map(nothing, items, executor="process", workers=WORKERS).values()
