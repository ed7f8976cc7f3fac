"""parallel_map: all outcomes are kept."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS
from harness.tasks import nothing

NAME = "centimane, parallel_map"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda items: parallel_map(nothing, items, executor="process", workers=WORKERS)
