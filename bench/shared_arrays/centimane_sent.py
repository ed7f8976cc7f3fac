"""The array itself through parallel_map of one item on its warm pool: by the arena."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS
from harness.arrays import look

NAME = "centimane, array sent"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda values: lambda: parallel_map(look, [values], executor="process", workers=WORKERS).values()[0]
