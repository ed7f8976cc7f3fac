"""What an item costs this process, in processor time, by the number of items: it should not matter."""

import time
from collections.abc import Callable, Iterable, Sequence

from harness.records import Case

SIZES = {f"10{power}": 10**n for n, power in ((3, "³"), (4, "⁴"), (5, "⁵"), (6, "⁶"), (7, "⁷"))}
CASES = [Case(name, "ns/item", "lower") for name in SIZES]
LIMIT = 60
ROUNDS = 3
ENOUGH = 300_000
"""Items of one measurement, in so many maps as that takes."""


def measure(subject: Callable[[Sequence[object]], Iterable[object]], run: str, quick: bool) -> float:
    """The subject maps a function that does nothing over a range; its outcomes are looked at one by one."""
    size = min(SIZES[run], 2000) if quick else SIZES[run]
    times = max(1, (2000 if quick else ENOUGH) // size)
    used = 0
    for _ in range(times):
        begin = time.process_time_ns()
        count = total = 0
        for value in subject(range(size)):
            count += 1
            total += value  # type: ignore[operator]
        used += time.process_time_ns() - begin
        assert (count, total) == (size, size * (size - 1) // 2), "wrong results"
    return used / (times * size)
