"""An array of bytes to a worker, which reads both ends and gives it back, by its size: as a shared array, of which only a handle goes, beside
sending the array itself both ways, and a plain copy there and back within one process. The array is made before, and is the same each time.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

from harness.arrays import array
from harness.records import Case

SIZES = {"8 B": 2**3, "1 KiB": 2**10, "64 KiB": 2**16, "1 MiB": 2**20, "16 MiB": 2**24, "256 MiB": 2**28}
CASES = [Case(name, "ms", "lower") for name in SIZES]

#: Given the array, the call that is measured: it answers what came back.
Subject = Callable[[Any], Callable[[], Any]]
FILL = 0.05
MOST = 200


def measure(subject: Subject, run: str, quick: bool) -> float:
    """The median of calls that fill some time, after two that do not count."""
    size = min(SIZES[run], 2**17) if quick else SIZES[run]
    values = array(size)
    call = subject(values)
    times: list[float] = []
    for warm in (True, True, *[False] * MOST):
        begin = time.perf_counter()
        result = call()
        took = time.perf_counter() - begin
        looked = numpy.asarray(result)
        assert looked.nbytes == size, "wrong size"
        assert looked[-1] == values[-1], "wrong result"
        del result, looked
        if not warm:
            times.append(took)
        if sum(times) > FILL:
            break
    return statistics.median(times) * 1e3
