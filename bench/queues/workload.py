"""Objects that one process puts into a queue and another takes out, both busy all the time.

The other process is forked for each measurement, and its start counts; a measurement takes half a second.
"""

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from harness import tasks
from harness.rate import Rate
from harness.records import Case


def blocks(count: int) -> list[object]:
    """Items of 64 KiB."""
    return [bytes([i % 251]) * 65536 for i in range(count)]


CASES = [Case(kind, "items/s", "higher") for kind in ("ints", "dicts", "64 KiB")]
_rates = {
    "ints": Rate(tasks.ints, seconds=0.5),
    "dicts": Rate(tasks.dicts, seconds=0.5),
    "64 KiB": Rate(blocks, seconds=0.5, most=4_000),
}


def _feed(queue: Any, items: Sequence[object]) -> None:
    put = queue.put
    for item in items:
        put(item)


def measure(subject: Callable[[], Any], run: str, quick: bool) -> float:
    """The subject makes a queue."""
    queue = subject()

    def through(items: Sequence[object]) -> Iterable[object]:
        process = multiprocessing.get_context("fork").Process(target=_feed, args=(queue, items))
        process.start()
        get = queue.get
        results = [get() for _ in items]
        process.join()
        return results

    return _rates[run](through, quick)
