"""parallel_iter, in windows."""

from contextlib import contextmanager

from pyarallel import parallel_iter

from harness import WORKERS

NAME = "pyarallel"
DISTRIBUTION = "pyarallel"


@contextmanager
def competitor():
    yield lambda function, items: (
        item.value for item in parallel_iter(function, items, workers=WORKERS, executor="process")
    )
