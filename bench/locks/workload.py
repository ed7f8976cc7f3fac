"""Locks between processes: taken and given back while nobody else wants them, and a ball that two processes play to each other."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from harness.records import Case

CASES = [
    Case("Lock, with", "ns", "lower"),
    Case("RLock, with", "ns", "lower"),
    Case("Semaphore, with", "ns", "lower"),
    Case("Semaphore, there and back", "µs", "lower"),
    Case("Condition, there and back", "µs", "lower"),
]
TIMES = 100_000
TURNS = 2000
"""Both fewer in the quick form."""


def hold(lock: Any, times: int) -> float:
    """Seconds."""
    begin = time.perf_counter()
    for _ in range(times):
        with lock:
            pass
    return time.perf_counter() - begin


def measure(subject: tuple[Any, Callable[[str, int], float]], run: str, quick: bool) -> float:
    """The subject is a context of locks, and what plays a number of turns by one kind, and answers the seconds."""
    context, play = subject
    kind, _, how = run.partition(", ")
    if how == "with":
        times = TIMES // 100 if quick else TIMES
        lock = getattr(context, kind)()
        return statistics.median(hold(lock, times) for _ in range(3)) / times * 1e9
    turns = TURNS // 100 if quick else TURNS
    return play(kind, turns) / turns * 1e6
