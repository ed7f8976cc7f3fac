"""parallel_iter: the item fails, the others have their values."""

from contextlib import contextmanager

from centimane import parallel_iter
from harness import WORKERS

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda function, items: [
        item.value if item.ok else item.error
        for item in parallel_iter(function, items, executor="process", workers=WORKERS)
    ]
