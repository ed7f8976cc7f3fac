"""multiprocessing's Pool as its users use it: maps of a no-op with default chunks, one item a task, imap, and workers that are
replaced after ten tasks.
"""

from collections.abc import Callable

from harness import tasks
from harness.rate import Rate
from harness.records import Case

TASKS_PER_WORKER = 10
CASES = [
    Case("map, ints", "items/s", "higher"),
    Case("map, dicts", "items/s", "higher"),
    Case("map, one item a task", "items/s", "higher"),
    Case("imap", "items/s", "higher"),
    Case("imap_unordered", "items/s", "higher"),
    Case("map, workers replaced", "items/s", "higher"),
]
LIMIT = 15
_rates = {
    "map, ints": Rate(tasks.ints, seconds=0.5),
    "map, dicts": Rate(tasks.dicts, seconds=0.5),
    "map, one item a task": Rate(tasks.ints, seconds=0.5, most=200_000),
    "imap": Rate(tasks.ints, seconds=0.5, most=200_000),
    "imap_unordered": Rate(tasks.ints, seconds=0.5, most=200_000),
    "map, workers replaced": Rate(tasks.ints, seconds=0.3, most=200_000),
}


def measure(subject: Callable[[str], Callable[[list[object]], list[object]]], run: str, quick: bool) -> float:
    """The subject answers, for a case, what maps over a list of items."""
    return _rates[run](subject(run), quick)


def of_pools(stays: object, replaced: object) -> Callable[[str], Callable[[list[object]], list[object]]]:
    """The subject for pools that look like multiprocessing's."""
    nothing = tasks.nothing
    ways = {
        "map, ints": lambda items: stays.map(nothing, items),  # type: ignore[attr-defined]
        "map, dicts": lambda items: stays.map(nothing, items),  # type: ignore[attr-defined]
        "map, one item a task": lambda items: stays.map(nothing, items, chunksize=1),  # type: ignore[attr-defined]
        "imap": lambda items: list(stays.imap(nothing, items)),  # type: ignore[attr-defined]
        "imap_unordered": lambda items: sorted(stays.imap_unordered(nothing, items)),  # type: ignore[attr-defined]
        "map, workers replaced": lambda items: replaced.map(nothing, items, chunksize=1),  # type: ignore[attr-defined]
    }
    return ways.__getitem__
