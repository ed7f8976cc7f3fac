"""A whole program, from its start to its end: an interpreter that starts two workers, maps two items and leaves in order."""

import statistics
import subprocess
import sys
import time

from harness.records import Case

CASES = [Case("program", "ms", "lower")]
LIMIT = 60
WARM_UP = False  # each program is a new one
TIMES = 5
ENOUGH = 0.3
"""Seconds after which a slow program is not run again."""


def measure(subject: str, run: str, quick: bool) -> float:
    """The subject is the program; it prints what it has computed."""
    times: list[float] = []
    while not times or (len(times) < TIMES and sum(times) < ENOUGH and not quick):
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", subject],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=50,
            check=True,
        )
        times.append(time.perf_counter() - begin)
        assert done.stdout.strip() == "[1, 2]", f"wrong result: {done.stdout!r}"
    return statistics.median(times) * 1e3
