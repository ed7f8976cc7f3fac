"""What an item costs on threads with every policy on, none of which has anything to do: a rate limit that never binds, retries, an error budget, keys, progress
and on_result. As a map; as an ordered stream; as a map that records each value in a checkpoint.

The stream has no on_result: its consumer sees each item.
"""

from collections.abc import Mapping

from harness import tasks
from harness.rate import Rate, Run
from harness.records import Case

CASES = [
    Case("map", "µs/item", "lower"),
    Case("ordered stream", "µs/item", "lower"),
    Case("map, checkpoint", "µs/item", "lower"),
]
_rates = {case.name: Rate(tasks.ints, most=100_000) for case in CASES}


def measure(subject: Mapping[str, Run], run: str, quick: bool) -> float:
    """The subject has a way to map `tasks.nothing` for each case, which counts what its callbacks are told."""
    return 1e6 / _rates[run](subject[run], quick)
