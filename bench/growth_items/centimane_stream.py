"""parallel_iter over a generator: a window of outcomes is kept."""

from contextlib import contextmanager

from centimane import parallel_iter
from harness import WORKERS
from harness.tasks import nothing

NAME = "centimane, parallel_iter"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda items: (
        item.value for item in parallel_iter(nothing, iter(items), executor="process", workers=WORKERS)
    )
