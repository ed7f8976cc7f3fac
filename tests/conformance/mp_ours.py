"""Puts the classes under test in the place of the standard library's, here and in the processes that tests start: imported by the modules of
tests before anything of those is.
"""

from __future__ import annotations

import importlib
import multiprocessing
from typing import Any

from centimane import multiprocessing as ours

#: What a context has: functions and classes of the package itself.
NAMES = (
    "Array", "Barrier", "BoundedSemaphore", "Condition", "Event", "JoinableQueue", "Lock", "Manager", "Pipe", "Process", "Queue", "RLock",
    "RawArray", "RawValue", "Semaphore", "SimpleQueue", "Value",
)  # fmt: skip
#: Modules, and what tests take from them.
MODULES = {
    "queues": ("Queue", "JoinableQueue", "SimpleQueue"),
    "synchronize": ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier"),
    "shared_memory": ("SharedMemory", "ShareableList"),
    "sharedctypes": ("Value", "Array", "RawValue", "RawArray", "copy", "synchronized"),
}


def of_ours(name: str) -> Any:
    """A name of our package if it is ours; None if it is the standard library's there."""
    value = getattr(ours, name, None)
    module = getattr(value, "__module__", None) or getattr(getattr(value, "__func__", None), "__module__", "")
    return value if module.startswith("centimane.") else None


def our_module(name: str) -> Any:
    """A module of our package, or None if there is none."""
    try:
        return importlib.import_module(f"centimane.multiprocessing.{name}")
    except ModuleNotFoundError:
        return None


THERE = {name for name in NAMES if of_ours(name) is not None} | {
    name for name in MODULES if our_module(name) is not None
}
"""What of all that is ours so far."""


def put_in_place() -> None:
    """Every name under which the tests find them."""
    importlib.import_module("centimane.multiprocessing._context")  # registers the start method
    for name in NAMES:
        if name in THERE:
            setattr(multiprocessing, name, of_ours(name))
    for module, names in MODULES.items():
        if module not in THERE:
            continue
        theirs = importlib.import_module(f"multiprocessing.{module}")
        mine = our_module(module)
        for name in names:
            if hasattr(mine, name):
                setattr(theirs, name, getattr(mine, name))


put_in_place()
