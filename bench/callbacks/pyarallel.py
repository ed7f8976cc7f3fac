"""parallel_map with on_result and on_progress."""

from contextlib import contextmanager

from pyarallel import parallel_map

from harness import WORKERS
from harness.tasks import nothing

NAME = "pyarallel"
DISTRIBUTION = "pyarallel"


@contextmanager
def competitor():
    def run(items):
        told = []
        progress = []
        result = parallel_map(
            nothing,
            items,
            workers=WORKERS,
            on_result=told.append,
            on_progress=lambda done, total: progress.append(done),
        )
        assert len(told) == len(items)
        assert progress[-1] == len(items)
        return result.values()

    yield run
