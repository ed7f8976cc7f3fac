"""A pool that is up and has nothing to do: what it takes of the processors, all its processes together."""

import os
import time
from collections.abc import Callable, Iterable

from harness import processes
from harness.records import Case

CASES = [Case("waiting", "% of a core", "lower")]
ROUNDS = 3
WARM_UP = False
SECONDS = 1.0
LEAST = 0.01
"""Percent below which nothing can be told apart."""


def measure(subject: Callable[[], Iterable[object]], run: str, quick: bool) -> float:
    """The subject maps something, so that all is warm; then nothing happens."""
    assert list(subject()) == list(range(100)), "wrong results"
    time.sleep(0 if quick else 0.2)  # what follows a map is over
    mark = os.environ[processes.MARK]
    begin, used = time.perf_counter(), processes.cpu_seconds(os.getpid(), mark)
    # Reading takes time itself; a second look shows how much.
    looking = processes.cpu_seconds(os.getpid(), mark) - used
    time.sleep(0.05 if quick else SECONDS)
    used = processes.cpu_seconds(os.getpid(), mark) - used - looking
    return max(LEAST, 100 * used / (time.perf_counter() - begin))
