"""parallel_iter: a window of items is under way."""

from contextlib import contextmanager

from centimane import parallel_iter
from harness import WORKERS

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda function, items: (
        item.value for item in parallel_iter(function, items, executor="process", workers=WORKERS)
    )
