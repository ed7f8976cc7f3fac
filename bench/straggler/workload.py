"""Many small tasks and one that takes a thousand times as long: what was sent to its worker must not wait behind it."""

import time
from collections.abc import Callable, Iterable, Sequence

from harness.records import Case
from harness.tasks import crunch

CASES = [Case("mix", "ms", "lower")]
ITEMS = 3000
STEPS = 1000
"""Of a small task: some 50 µs."""
STRAGGLER = 1500
"""Its place: as much work lies before it as behind it."""


def measure(subject: Callable[[object, Sequence[int]], Iterable[int]], run: str, quick: bool) -> float:
    """The whole mix."""
    steps = 1 if quick else STEPS
    items = [steps] * ITEMS
    items[STRAGGLER] = steps * 1000
    begin = time.perf_counter()
    results = list(subject(crunch, items))
    milliseconds = (time.perf_counter() - begin) * 1e3
    small, large = crunch(steps), crunch(steps * 1000)
    assert results == [small] * STRAGGLER + [large] + [small] * (ITEMS - STRAGGLER - 1), "wrong results"
    return milliseconds
