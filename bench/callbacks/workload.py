"""What an item costs on threads when each outcome is told to on_result and on_progress."""

from harness import tasks
from harness.rate import Rate, Run
from harness.records import Case

CASES = [Case("ints", "µs/item", "lower")]
_rate = Rate(tasks.ints)


def measure(subject: Run, run: str, quick: bool) -> float:
    """The subject maps `tasks.nothing` with both callbacks, and has counted their calls."""
    return 1e6 / _rate(subject, quick)
