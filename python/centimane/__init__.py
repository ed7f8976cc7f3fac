"""Parallel processing on threads and worker processes that cannot be made to hang.

The common case is one line::

    from centimane import parallel_map

    result = parallel_map(crunch, inputs, executor="process")
    for value in result:
        use(value)

Nothing is imported before it is asked for: the processes that run your functions load only what those functions need.
"""

TYPE_CHECKING = False  # what type checkers take for true; typing itself would cost more than all the rest

__version__ = "0.1.0"

__all__ = [
    "Aborted",
    "AsyncParallelIterator",
    "Cancelled",
    "CheckpointError",
    "CheckpointInfo",
    "Error",
    "Insights",
    "ItemResult",
    "Limiter",
    "NestingError",
    "OwnerDied",
    "ParallelIterator",
    "ParallelResult",
    "PayloadError",
    "PoolClosed",
    "PoolForked",
    "QueueClosed",
    "RateLimit",
    "RemoteError",
    "ResourceLimit",
    "Retry",
    "RunStatus",
    "Shared",
    "SharedArray",
    "SlowItem",
    "StartFailed",
    "StopToken",
    "TaskTimeout",
    "TimedOut",
    "WorkerDied",
    "WorkerInsights",
    "async_parallel",
    "async_parallel_iter",
    "async_parallel_map",
    "async_parallel_starmap",
    "checkpoint_info",
    "contain_processes",
    "cpu_count",
    "parallel",
    "parallel_iter",
    "parallel_map",
    "parallel_starmap",
    "share",
    "stop_requested",
]

if TYPE_CHECKING:
    from ._async import async_parallel_iter, async_parallel_map, async_parallel_starmap
    from ._async_decorate import async_parallel
    from ._async_iterator import AsyncParallelIterator
    from ._checkpoint_info import CheckpointInfo, checkpoint_info
    from ._contain import contain_processes
    from ._cpus import cpu_count
    from ._decorate import parallel
    from ._errors import (
        Aborted,
        Cancelled,
        CheckpointError,
        Error,
        NestingError,
        OwnerDied,
        PayloadError,
        PoolClosed,
        PoolForked,
        QueueClosed,
        RemoteError,
        ResourceLimit,
        StartFailed,
        TaskTimeout,
        TimedOut,
        WorkerDied,
    )
    from ._insights import Insights, SlowItem, WorkerInsights
    from ._iterator import ParallelIterator
    from ._limiter import Limiter
    from ._map import parallel_iter, parallel_map, parallel_starmap
    from ._policies import RateLimit, Retry
    from ._result import ItemResult, ParallelResult, RunStatus
    from ._shared import Shared
    from ._shared_array import SharedArray, share
    from ._stop import StopToken, stop_requested

_HOME = {
    "AsyncParallelIterator": "_async_iterator",
    "CheckpointInfo": "_checkpoint_info",
    "Insights": "_insights",
    "ItemResult": "_result",
    "Limiter": "_limiter",
    "ParallelIterator": "_iterator",
    "ParallelResult": "_result",
    "RateLimit": "_policies",
    "Retry": "_policies",
    "RunStatus": "_result",
    "Shared": "_shared",
    "SharedArray": "_shared_array",
    "SlowItem": "_insights",
    "StopToken": "_stop",
    "WorkerInsights": "_insights",
    "async_parallel": "_async_decorate",
    "async_parallel_iter": "_async",
    "async_parallel_map": "_async",
    "async_parallel_starmap": "_async",
    "checkpoint_info": "_checkpoint_info",
    "contain_processes": "_contain",
    "cpu_count": "_cpus",
    "parallel": "_decorate",
    "parallel_iter": "_map",
    "parallel_map": "_map",
    "parallel_starmap": "_map",
    "share": "_shared_array",
    "stop_requested": "_stop",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME.get(name, "_errors")
    value: object = getattr(__import__(f"{__name__}.{home}", fromlist=(name,)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
