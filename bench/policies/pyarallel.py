"""parallel_map and parallel_iter with all policies."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

from pyarallel import RateLimit, Retry, parallel_iter, parallel_map

from harness import WORKERS
from harness.tasks import nothing

NAME = "pyarallel"
DISTRIBUTION = "pyarallel"
POLICIES = {
    "workers": WORKERS,
    "rate_limit": RateLimit(1e9, burst=1000),
    "retry": Retry(attempts=3, on=(OSError,)),
    "max_errors": 10,
    "item_key": str,
}


@contextmanager
def competitor():
    def run(items, **more):
        told = []
        progress = []
        result = parallel_map(
            nothing,
            items,
            on_result=told.append,
            on_progress=lambda done, total: progress.append(done),
            **POLICIES,
            **more,
        )
        assert len(told) == len(items)
        assert progress[-1] == len(items)
        return result.values()

    def stream(items):
        progress = []
        results = parallel_iter(
            nothing, items, ordered=True, on_progress=lambda done, total: progress.append(done), **POLICIES
        )
        values = [item.value for item in results]
        assert progress[-1] == len(items)
        return values

    def recorded(items):
        with tempfile.TemporaryDirectory() as folder:
            return run(items, checkpoint=Path(folder) / "run.ckpt")

    yield {"map": run, "ordered stream": stream, "map, checkpoint": recorded}
