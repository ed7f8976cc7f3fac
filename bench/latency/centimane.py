"""parallel_map of one item on its warm pool."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda function, item: parallel_map(function, [item], executor="process", workers=WORKERS).values()[0]
