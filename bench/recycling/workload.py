"""Workers that are replaced after ten tasks, beside workers that never are: the rate of a map that does nothing, one task an item."""

from collections.abc import Callable, Iterable, Sequence

from harness import tasks
from harness.rate import Rate
from harness.records import Case

TASKS_PER_WORKER = 10
CASES = [Case("never", "items/s", "higher"), Case(f"every {TASKS_PER_WORKER} tasks", "items/s", "higher")]
LIMIT = 15
_rates = {case.name: Rate(tasks.ints, seconds=0.3, most=200_000) for case in CASES}


def measure(subject: Callable[[Sequence[object], int | None], Iterable[object]], run: str, quick: bool) -> float:
    """The subject maps over items with workers that are replaced that often, or never."""
    every = None if run == "never" else TASKS_PER_WORKER
    return _rates[run](lambda items: subject(items, every), quick)
