"""The warm pool behind parallel_map."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS
from harness.tasks import nothing

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda: parallel_map(nothing, range(100), executor="process", workers=WORKERS).values()
