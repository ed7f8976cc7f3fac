"""Drop-in for ``multiprocessing``'s pools and queues: the same interfaces, faster, and a dead process hangs nothing.

Change the import, keep the rest::

    from centimane.multiprocessing import Pool

    with Pool() as pool:
        print(pool.map(crunch, items))

What differs is told in docs/multiprocessing.md. Everything else of ``multiprocessing`` (``Process``, ``Manager``, ``current_process``, …) is the standard library's, under the same name, so that ``import centimane.multiprocessing as multiprocessing``
is enough.
"""

from __future__ import annotations

from .._cpus import cpu_count
from .pool import Pool, ThreadPool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._context import get_context
    from ._faults import TimeoutError
    from .queues import JoinableQueue, Queue, SimpleQueue

__all__ = ["JoinableQueue", "Pool", "Queue", "SimpleQueue", "ThreadPool", "TimeoutError", "cpu_count", "get_context"]

_HOME = {
    "JoinableQueue": "queues",
    "Queue": "queues",
    "SimpleQueue": "queues",
    "TimeoutError": "_faults",
    "get_context": "_context",
}
_MODULES = frozenset({"shared_memory"})
"""Modules of our own under the standard library's names."""


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME.get(name)
    if name in _MODULES:
        return __import__(f"{__name__}.{name}", fromlist=(name,))
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
