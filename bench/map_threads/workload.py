"""A function that does nothing, mapped over ints on threads, one task an item."""

from harness import tasks
from harness.rate import Rate, Run
from harness.records import Case

CASES = [Case("ints", "items/s", "higher")]
_rate = Rate(tasks.ints)


def measure(subject: Run, run: str, quick: bool) -> float:
    """The subject maps `tasks.nothing` over what it is given."""
    return _rate(subject, quick)
