"""A map and a stream with every policy on, for libraries that spell them alike; none of the policies has anything to do."""

import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from . import WORKERS
from .rate import Run
from .tasks import nothing


def with_all_policies(library: ModuleType) -> dict[str, Run]:
    """The subject of the workload `policies`: a way to map `tasks.nothing` for each of its cases."""
    policies: dict[str, Any] = {
        "workers": WORKERS,
        "rate_limit": library.RateLimit(1e9, burst=1000),
        "retry": library.Retry(attempts=3, on=(OSError,)),
        "max_errors": 10,
        "item_key": str,
    }

    def run(items: Any, **more: Any) -> Any:
        told: list[Any] = []
        progress: list[int] = []
        result = library.parallel_map(
            nothing,
            items,
            on_result=told.append,
            on_progress=lambda done, total: progress.append(done),
            **policies,
            **more,
        )
        assert len(told) == len(items)
        assert progress[-1] == len(items)
        return result.values()

    def stream(items: Any) -> Any:
        progress: list[int] = []
        results = library.parallel_iter(
            nothing, items, ordered=True, on_progress=lambda done, total: progress.append(done), **policies
        )
        values = [item.value for item in results]
        assert progress[-1] == len(items)
        return values

    def recorded(items: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return run(items, checkpoint=Path(folder) / "run.ckpt")

    return {"map": run, "ordered stream": stream, "map, checkpoint": recorded}
