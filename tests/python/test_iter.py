"""parallel_iter: lazy, in constant memory, in either order, left at any moment."""

from __future__ import annotations

import itertools
import resource
import threading
import time
from collections.abc import Iterator

import pytest

from centimane import ItemResult, TimedOut, parallel_iter


def square(x: int) -> int:
    return x * x


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("window", [1, 2, 7, None])
def test_each_item_once(executor: str, ordered: bool, window: int | None) -> None:
    got = list(
        parallel_iter(square, iter(range(2000)), executor=executor, workers=2, ordered=ordered, window_size=window)
    )
    if ordered:
        assert [item.index for item in got] == list(range(2000))
    assert sorted(item.index for item in got) == list(range(2000))
    assert all(item.value == item.index**2 for item in got)


def test_failures_are_items_too(executor: str) -> None:
    got = list(parallel_iter(lambda x: 1 // x, [1, 0, 2], executor=executor, workers=2, ordered=True))
    assert [item.ok for item in got] == [True, False, True]
    assert isinstance(got[1].error, ZeroDivisionError)


def test_the_input_is_read_one_window_ahead_of_the_consumer(executor: str) -> None:
    pulled = 0

    def items() -> Iterator[int]:
        nonlocal pulled
        for x in itertools.count():
            pulled += 1
            yield x

    stream = parallel_iter(square, items(), executor=executor, workers=2, window_size=10, ordered=True)
    assert pulled == 0
    for taken, item in enumerate(stream, 1):
        assert pulled <= taken + 10
        if item.index == 300:
            break
    stream.close()  # type: ignore[attr-defined]


def test_a_stream_dropped_at_any_moment_leaves_nothing(executor: str) -> None:
    for n in (0, 1, 5, 50):
        stream = parallel_iter(square, itertools.count(), executor=executor, workers=2)
        for _ in range(n):
            next(stream)
        del stream


def test_a_dropped_stream_does_not_wait_for_threads() -> None:
    release = threading.Event()
    started = threading.Event()

    def work(x: int) -> None:
        started.set()
        if x:
            release.wait(60)

    stream = parallel_iter(work, range(4), workers=2)
    next(stream)
    started.wait(60)
    stream.close()  # type: ignore[attr-defined]
    assert not release.is_set()
    release.set()


@pytest.mark.parametrize("chunksize", [1, 3])
@pytest.mark.parametrize("ordered", [False, True])
def test_an_error_of_the_input_comes_after_what_was_before_it(executor: str, ordered: bool, chunksize: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise LookupError("from the input")

    got: list[ItemResult[int]] = []
    with pytest.raises(LookupError):
        got.extend(parallel_iter(square, items(), executor=executor, workers=2, ordered=ordered, chunksize=chunksize))
    assert sorted((item.index, item.value) for item in got) == [(x, x * x) for x in range(5)]


def test_timeout_ends_the_stream() -> None:
    with pytest.raises(TimedOut):
        list(parallel_iter(time.sleep, itertools.repeat(0.05), workers=2, timeout=0.5))


@pytest.mark.parametrize("executor", ["process", "thread"])
def test_constant_memory(executor: str) -> None:
    def peak_after(n: int) -> int:
        count = sum(1 for _ in parallel_iter(abs, iter(range(n)), executor=executor, workers=2))
        assert count == n
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak_after(50_000)
    assert peak_after(1_000_000) - before < 16 * 1024  # KiB; a million outcomes would take five times that


def test_one_thread_at_a_time() -> None:
    stream = parallel_iter(square, range(10), workers=2, on_progress=lambda done, total: next(stream) and None)
    with pytest.raises(ValueError, match=r"already executing|in use"):
        list(stream)


def test_progress_is_told(executor: str) -> None:
    seen: list[int] = []
    list(
        parallel_iter(
            square, range(20), executor=executor, workers=2, on_progress=lambda done, total: seen.append(done)
        )
    )
    assert seen == list(range(1, 21))


def test_chunks() -> None:
    got = list(parallel_iter(square, iter(range(101)), executor="process", workers=2, chunksize=10, ordered=True))
    assert [item.value for item in got] == [x * x for x in range(101)]
