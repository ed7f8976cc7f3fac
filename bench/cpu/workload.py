"""Work that computes, in equal parts: how much sooner two workers have done it."""

import time
from collections.abc import Callable, Iterable, Sequence

from harness.records import Case
from harness.tasks import crunch

CASES = [Case("job", "s", "lower")]
PARTS = 40
STEPS = 500_000
"""Of one part: some 25 ms."""


def measure(subject: Callable[[object, Sequence[int]], Iterable[int]], run: str, quick: bool) -> float:
    """The whole job."""
    steps = 100 if quick else STEPS
    begin = time.perf_counter()
    results = list(subject(crunch, [steps] * PARTS))
    seconds = time.perf_counter() - begin
    assert results == [crunch(steps)] * PARTS, "wrong results"
    return seconds
