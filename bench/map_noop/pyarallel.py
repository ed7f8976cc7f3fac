"""pyarallel on processes."""

from contextlib import contextmanager

from pyarallel import parallel_map

from harness import WORKERS
from harness.tasks import nothing

NAME = "pyarallel"
DISTRIBUTION = "pyarallel"


@contextmanager
def competitor():
    yield lambda items: parallel_map(nothing, items, workers=WORKERS, executor="process").values()
