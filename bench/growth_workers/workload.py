"""What an item costs this process, in processor time, by the number of workers, far more of them than processors."""

import time
from collections.abc import Callable, Iterable, Sequence

from harness.records import Case

NUMBERS = {f"{number} workers": number for number in (2, 8, 64, 256)}  # as many pools as stay warm
CASES = [Case(name, "ns/item", "lower") for name in NUMBERS]
LIMIT = 60
ITEMS = 300_000


def measure(subject: Callable[[Sequence[object], int], Iterable[object]], run: str, quick: bool) -> float:
    """The subject maps a function that does nothing over a range, with so many workers."""
    workers, items = (2, 1000) if quick else (NUMBERS[run], ITEMS)
    begin = time.process_time_ns()
    total = sum(subject(range(items), workers))  # type: ignore[arg-type]
    used = time.process_time_ns() - begin
    assert total == items * (items - 1) // 2, "wrong results"
    return used / items
