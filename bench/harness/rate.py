"""Items a second, measured over as many items as fill a given time, so that slow and fast competitors take a round's equal share."""

import time
from collections.abc import Callable, Iterable, Sequence

FEW = 100
"""Items of the quick form, and of the first try."""

Run = Callable[[Sequence[object]], Iterable[object]]


class Rate:
    """A workload's way to measure. Lives in a competitor's process; the number of items is found in the first round and kept."""

    def __init__(self, make: Callable[[int], Sequence[object]], *, seconds: float = 0.4, most: int = 1_000_000) -> None:
        """`make` gives that many items; the function that is mapped must answer its item."""
        self._make, self._seconds, self._most = make, seconds, most
        self._count = 0

    def __call__(self, run: Run, quick: bool) -> float:
        """One measurement.

        Raises:
            AssertionError: a result is wrong, missing or out of order.
        """
        if quick:
            return FEW / self._time(run, FEW)
        if not self._count:
            self._count = self._find(run)
        return self._count / self._time(run, self._count)

    def _find(self, run: Run) -> int:
        count = FEW
        while True:
            seconds = self._time(run, count)
            wanted = int(count * min(10.0, self._seconds / seconds))
            if wanted < 2 * count or count == self._most:
                return max(FEW, min(wanted, self._most))
            count = min(wanted, self._most)

    def _time(self, run: Run, count: int) -> float:
        items = self._make(count)
        begin = time.perf_counter()
        results = list(run(items))
        seconds = time.perf_counter() - begin
        assert len(results) == count, f"{len(results)} results for {count} items"
        assert results == list(items), "wrong results"
        return seconds
