"""The same map with everybody's default settings, which for most peers means huge chunks, over four kinds of items.

A million items a round, or as many as fill half a second.
"""

from collections.abc import Callable

from harness import tasks
from harness.rate import Rate, Run
from harness.records import Case

CASES = [Case(kind, "items/s", "higher") for kind in ("ints", "tuples", "dicts", "instances")]
_makers: dict[str, Callable[[int], list[object]]] = {
    "ints": tasks.ints,
    "tuples": tasks.tuples,
    "dicts": tasks.dicts,
    "instances": tasks.instances,
}
_rates = {kind: Rate(make, seconds=0.5) for kind, make in _makers.items()}


def measure(subject: Run, run: str, quick: bool) -> float:
    """The subject maps `tasks.nothing` over what it is given."""
    return _rates[run](subject, quick)
