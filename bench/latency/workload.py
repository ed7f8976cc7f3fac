"""One item, there and back, on a pool that is up: the time until its result is at hand."""

import statistics
import time
from collections.abc import Callable

from harness.records import Case
from harness.tasks import nothing

CASES = [Case("asleep", "µs", "lower"), Case("at once", "µs", "lower")]
PAUSE = 0.005
"""Seconds after which everybody's workers sleep."""
CALLS = 3, 50, 200
"""In the quick form, of those after a pause, of those at once."""
ENOUGH = 0.4
"""Seconds after which a slow competitor is not called again."""


def measure(subject: Callable[[object, object], object], run: str, quick: bool) -> float:
    """The median of single calls; before each of `asleep` there is a pause, those of `at once` follow one another."""
    asleep = run == "asleep"
    times: list[float] = []
    for number in range(CALLS[0] if quick else CALLS[1] if asleep else CALLS[2]):
        if sum(times) > ENOUGH:
            break
        if asleep:
            time.sleep(PAUSE)
        begin = time.perf_counter()
        result = subject(nothing, number)
        times.append(time.perf_counter() - begin)
        assert result == number, "wrong result"
    return statistics.median(times) * 1e6
