"""Drop-in for ``multiprocessing``: the same pools, processes and queues, faster, and a dead process hangs nothing.

Change the import, keep the rest::

    from centimane.multiprocessing import Pool

    with Pool() as pool:
        print(pool.map(crunch, items))

What differs is told in docs/multiprocessing.md. What of ``multiprocessing`` is not here is the standard library's, under the same name, so
that ``import centimane.multiprocessing as multiprocessing`` is enough.
"""

from __future__ import annotations

from .._cpus import cpu_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._context import get_all_start_methods, get_context, get_start_method, set_forkserver_preload, set_start_method
    from ._faults import TimeoutError
    from .connection import Pipe
    from .pool import Pool, ThreadPool
    from .process import Process, active_children, current_process, parent_process
    from .queues import JoinableQueue, Queue, SimpleQueue
    from .sharedctypes import Array, RawArray, RawValue, Value
    from .synchronize import Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore

__all__ = [
    "Array",
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "JoinableQueue",
    "Lock",
    "Pipe",
    "Pool",
    "Process",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "Semaphore",
    "SimpleQueue",
    "ThreadPool",
    "TimeoutError",
    "Value",
    "active_children",
    "cpu_count",
    "current_process",
    "get_all_start_methods",
    "get_context",
    "get_start_method",
    "parent_process",
    "set_forkserver_preload",
    "set_start_method",
]

_HOME = {
    "Array": "sharedctypes",
    "Barrier": "synchronize",
    "BoundedSemaphore": "synchronize",
    "Condition": "synchronize",
    "Event": "synchronize",
    "JoinableQueue": "queues",
    "Lock": "synchronize",
    "Pipe": "connection",
    "Pool": "pool",
    "Process": "process",
    "Queue": "queues",
    "RLock": "synchronize",
    "RawArray": "sharedctypes",
    "RawValue": "sharedctypes",
    "Semaphore": "synchronize",
    "SimpleQueue": "queues",
    "ThreadPool": "pool",
    "TimeoutError": "_faults",
    "Value": "sharedctypes",
    "active_children": "process",
    "current_process": "process",
    "get_all_start_methods": "_context",
    "get_context": "_context",
    "get_start_method": "_context",
    "parent_process": "process",
    "set_forkserver_preload": "_context",
    "set_start_method": "_context",
}
_MODULES = frozenset(
    {"connection", "dummy", "pool", "process", "queues", "shared_memory", "sharedctypes", "synchronize"}
)
"""Modules of our own under the standard library's names."""


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _MODULES:
        return __import__(f"{__name__}.{name}", fromlist=(name,))
    home = _HOME.get(name)
    if home is not None:
        value = getattr(__import__(f"{__name__}.{home}", fromlist=(name,)), name)
        globals()[name] = value
        return value
    import multiprocessing

    if not hasattr(multiprocessing, name):  # a module that nobody has imported: shared_memory, managers
        try:
            return __import__(f"multiprocessing.{name}", fromlist=(name,))
        except ModuleNotFoundError:
            pass
    return getattr(multiprocessing, name)
