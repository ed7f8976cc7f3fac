"""A Process with an empty function, from its start to the end of its join."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from harness.records import Case
from harness.tasks import nothing

CASES = [Case("started and joined", "ms", "lower")]
CALLS = 3, 20
"""In the quick form, in the whole one."""
ENOUGH = 1.0
"""Seconds after which a slow competitor is not called again."""


def measure(subject: Callable[..., Any], run: str, quick: bool) -> float:
    """The median of single ones, one after the other; the first, which may start a server, is not counted."""
    times: list[float] = []
    for number in range(1 + CALLS[not quick]):
        if sum(times) > ENOUGH:
            break
        begin = time.perf_counter()
        process = subject(target=nothing, args=(number,))
        process.start()
        process.join()
        times.append(time.perf_counter() - begin)
        assert process.exitcode == 0, "wrong exit code"
        process.close()
    return statistics.median(times[1:]) * 1e3
