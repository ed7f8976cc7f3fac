"""Submitted tasks that do nothing, on threads: submit all, take the results in order."""

import time
from concurrent.futures import Executor

from harness.records import Case
from harness.tasks import nothing

CASES = [Case("submit, result", "k/s", "higher")]
ENOUGH = 0.6
"""Seconds that one measurement should take; the most futures are a hundred thousand."""
MOST = 100_000


def measure(subject: Executor, run: str, quick: bool) -> float:
    """Thousands a second. A slow executor gets fewer tasks."""
    n = 200
    while True:
        begin = time.perf_counter()
        futures = [subject.submit(nothing, i) for i in range(n)]
        assert [future.result() for future in futures] == list(range(n)), "wrong results"
        took = time.perf_counter() - begin
        if quick or n == MOST or took > ENOUGH / 3:
            return n / took / 1e3
        n = min(MOST, max(2 * n, int(n * ENOUGH / took)))
