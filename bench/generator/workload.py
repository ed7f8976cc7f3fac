"""A generator of items that never are in memory together: the rate, and by how much memory grows with each further item.

The number of items is what fills seven tenths of a second. Memory is what this process's highest grows by between a stream of a quarter as many items or less and
the first whole one; later ones find what the first has given back, so it is the same in all rounds.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from harness.records import Case
from harness.tasks import nothing

CASES = [Case("rate", "items/s", "higher"), Case("memory", "bytes/item", "lower")]
RUNS = {"stream": ["rate", "memory"]}
FEW = 1000
MOST = 2_000_000
SECONDS = 0.7
LEAST = 0.01
"""Bytes an item that count as none: so a ratio can be told."""

_state: dict[str, float] = {"items": 0, "memory": 0}


def _highest() -> int:
    """Bytes that this process has had resident at most."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def _stream(subject: Callable[[object, Iterator[object]], Iterable[object]], count: int) -> float:
    begin = time.perf_counter()
    results = total = 0
    for value in subject(nothing, iter(range(count))):
        results += 1
        total += value  # type: ignore[operator]
    seconds = time.perf_counter() - begin
    assert (results, total) == (count, count * (count - 1) // 2), "wrong results"
    return seconds


def measure(subject: Callable[[object, Iterator[object]], Iterable[object]], run: str, quick: bool) -> dict[str, float]:
    """One stream from end to end."""
    if not _state["items"]:
        _find(subject, quick)
    count = int(_state["items"])
    return {"rate": count / _stream(subject, count), "memory": _state["memory"]}


def _find(subject: Callable[[object, Iterator[object]], Iterable[object]], quick: bool) -> None:
    """How many items fill the time, and what they take."""
    _stream(subject, FEW)
    count, wanted = FEW, 4 * FEW
    highest = {count: _highest()}
    while not quick:
        wanted = min(MOST, int(count * min(10.0, SECONDS / _stream(subject, count))))
        highest[count] = _highest()
        if wanted < 2 * count:
            break
        count = wanted
    count = max(4 * FEW, wanted)
    _stream(subject, count)
    base = max((fewer for fewer in highest if fewer <= count / 4), default=FEW)
    _state.update(items=count, memory=max(LEAST, (_highest() - highest[base]) / (count - base)))
