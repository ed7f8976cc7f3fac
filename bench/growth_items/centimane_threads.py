"""parallel_map on threads: the processor time is all there is, that of the workers too."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS
from harness.tasks import nothing

NAME = "centimane, threads"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda items: parallel_map(nothing, items, executor="thread", workers=WORKERS)
