"""parallel_map on processes, each item asked for its outcome."""

from contextlib import contextmanager

from pyarallel import parallel_map

from harness import WORKERS

NAME = "pyarallel"
DISTRIBUTION = "pyarallel"


@contextmanager
def competitor():
    def run(function, items):
        result = parallel_map(function, items, workers=WORKERS, executor="process")
        return [item.value if item.ok else item.error for item in result]

    yield run
