"""Submitted tasks that do nothing, on processes: results in order, the standard library's as_completed and wait over all of
them, asyncio with 200 in flight, one task at a time on a worker that sleeps.
"""

import asyncio
import concurrent.futures
import itertools
import statistics
import time
from collections.abc import Callable

from harness.records import Case
from harness.tasks import nothing

Executor = concurrent.futures.Executor
CASES = [
    Case("submit, result", "k/s", "higher"),
    Case("as_completed", "k/s", "higher"),
    Case("wait", "k/s", "higher"),
    Case("asyncio, 200 in flight", "k/s", "higher"),
    Case("asleep", "µs", "lower"),
]
ENOUGH = 0.6
"""Seconds that one measurement should take; the most futures are a hundred thousand."""
MOST = 100_000
PAUSE = 0.005


def in_order(executor: Executor, n: int) -> None:
    """Submits all, then takes the results in order."""
    futures = [executor.submit(nothing, i) for i in range(n)]
    assert [future.result() for future in futures] == list(range(n)), "wrong results"


def completed(executor: Executor, n: int) -> None:
    """The standard library's as_completed over pending futures."""
    futures = [executor.submit(nothing, i) for i in range(n)]
    assert sum(1 for _ in concurrent.futures.as_completed(futures)) == n, "wrong results"


def waited(executor: Executor, n: int) -> None:
    """The standard library's wait over pending futures."""
    futures = [executor.submit(nothing, i) for i in range(n)]
    assert len(concurrent.futures.wait(futures).done) == n, "wrong results"


def awaited(executor: Executor, n: int) -> None:
    """200 coroutines that await one task after another."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        numbers = itertools.count()

        async def one() -> int:
            done = 0
            while (i := next(numbers)) < n:
                assert await loop.run_in_executor(executor, nothing, i) == i, "wrong result"
                done += 1
            return done

        return sum(await asyncio.gather(*(one() for _ in range(200))))

    assert asyncio.run(main()) == n, "wrong results"


WAYS: dict[str, Callable[[Executor, int], None]] = {
    "submit, result": in_order,
    "as_completed": completed,
    "wait": waited,
    "asyncio, 200 in flight": awaited,
}


def asleep(executor: Executor, quick: bool) -> float:
    """The median of single tasks, with a pause before each."""
    times: list[float] = []
    for number in range(3 if quick else 50):
        time.sleep(PAUSE)
        begin = time.perf_counter()
        assert executor.submit(nothing, number).result() == number, "wrong result"
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


def measure(subject: Executor, run: str, quick: bool) -> float:
    """One value of a case. A slow executor gets fewer tasks."""
    if run == "asleep":
        return asleep(subject, quick)
    way = WAYS[run]
    n = 200
    while True:
        begin = time.perf_counter()
        way(subject, n)
        took = time.perf_counter() - begin
        if quick or n == MOST or took > ENOUGH / 3:
            return n / took / 1e3
        n = min(MOST, max(2 * n, int(n * ENOUGH / took)))
