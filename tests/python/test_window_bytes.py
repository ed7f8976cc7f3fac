"""``window_bytes=``: how much of an input is read ahead, by what it holds."""

from __future__ import annotations

import array
import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from centimane import _core, async_parallel_iter, parallel_iter, parallel_map


class Source:
    """Items of a thousand bytes, and how far ahead of their consumer they were read."""

    def __init__(self, n: int) -> None:
        self.left = n
        self.pulled = self.consumed = self.ahead = 0

    def __iter__(self) -> Iterator[bytes]:
        while self.left > 0:
            self.left -= 1
            self.pulled += 1
            self.ahead = max(self.ahead, self.pulled - self.consumed)
            yield bytes(1000)

    async def read(self) -> AsyncIterator[bytes]:
        for item in self:
            yield item


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize("options", [{}, {"ordered": True}])
def test_a_stream_reads_no_further_ahead(executor: Any, options: dict[str, Any]) -> None:
    source = Source(200)
    for item in parallel_iter(len, source, executor=executor, workers=2, window_bytes=5000, **options):
        assert item.value == 1000
        source.consumed += 1
    assert source.consumed == 200
    assert source.ahead <= 6  # one is on its way to the consumer


def test_nor_does_one_on_an_event_loop() -> None:
    source = Source(100)

    async def length(item: bytes) -> int:
        return len(item)

    async def main() -> None:
        async for _ in async_parallel_iter(length, source.read(), window_size=1000, window_bytes=5000):
            source.consumed += 1
            await asyncio.sleep(0)

    asyncio.run(main())
    assert source.consumed == 100
    assert source.ahead <= 7


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_one_item_alone_may_be_larger(executor: Any) -> None:
    items = (bytes(n) for n in (10, 100_000, 20, 200_000))
    result = parallel_map(len, items, executor=executor, workers=2, window_bytes=1)
    assert result.values() == [10, 100_000, 20, 200_000]
    items = (bytes(n) for n in (10, 100_000, 20, 200_000))
    stream = parallel_iter(len, items, executor=executor, workers=2, window_bytes=1, ordered=True)
    assert [item.value for item in stream] == [10, 100_000, 20, 200_000]


@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.parametrize("options", [{}, {"ordered": True}])
def test_results_that_wait_count(executor: Any, options: dict[str, Any], tmp_path: Path) -> None:
    """Small items, large results: what has begun is never further ahead of the consumer than the window lets."""
    begun = tmp_path / "begun"
    begun.touch()

    def large(_: int) -> bytes:
        with begun.open("ab") as file:
            file.write(b".")
        return bytes(1000)

    most = consumed = 0
    for item in parallel_iter(large, range(60), executor=executor, workers=2, window_bytes=5000, **options):
        most = max(most, begun.stat().st_size - consumed)
        consumed += len(item.value) // 1000
    assert consumed == 60
    assert most <= 8


def test_without_a_window_of_bytes_results_are_made_ahead() -> None:
    begun: list[int] = []
    all_begun = threading.Event()

    def large(n: int) -> bytes:
        begun.append(n)
        if len(begun) == 60:
            all_begun.set()
        return bytes(1000)

    stream = parallel_iter(large, range(60), workers=2)
    next(stream)
    assert all_begun.wait(60)  # all of them, while the consumer is at the first
    assert len(list(stream)) == 59


def test_results_that_a_checkpoint_brings_count(tmp_path: Path) -> None:
    how: dict[str, Any] = {"checkpoint": tmp_path / "work.ckpt", "checkpoint_version": 1, "sequential": True}
    assert parallel_map(bytes, [1000] * 60, **how).ok
    source = Source(60)
    items = (len(item) for item in source)
    for item in parallel_iter(bytes, items, window_bytes=5000, **how):
        assert item.attempts == 0
        source.consumed += 1
    assert source.consumed == 60
    assert source.ahead <= 8


def test_chunks_count_with_all_their_items() -> None:
    source = Source(100)
    for _ in parallel_iter(len, source, executor="process", workers=2, window_bytes=10_000, chunksize=4):
        source.consumed += 1
    assert source.consumed == 100
    assert source.ahead <= 10 + 8


def test_a_map_reads_all_that_it_is_given() -> None:
    assert parallel_map(len, iter([b"ab"] * 1000), window_bytes=100).values() == [2] * 1000
    assert parallel_map(len, [b"ab"] * 1000, window_bytes=1).values() == [2] * 1000  # it is in memory already


class Sized:
    nbytes = 12345


class Lying:
    nbytes = "many"

    def __sizeof__(self) -> int:
        raise OSError


@pytest.mark.parametrize(
    ("item", "weight"),
    [
        (b"abc", 3),
        (bytearray(10), 10),
        ("abc", 3),
        ("a\u20ac", 4),
        (memoryview(bytes(50)), 50),
        (Sized(), 12345),
        (7, sys.getsizeof(7)),
        (None, sys.getsizeof(None)),
        (1.5, sys.getsizeof(1.5)),
        ((b"abc", b"de"), sys.getsizeof((0, 0)) + 5),
        ([b"abc"], sys.getsizeof([b"abc"]) + 3),
        ({"key": b"abc"}, sys.getsizeof({"key": 0}) + sys.getsizeof([0]) + 3),
        (array.array("d", [1.0] * 8), sys.getsizeof(array.array("d", [1.0] * 8))),
        (Lying(), 0),
    ],
)
def test_what_an_item_weighs(item: Any, weight: int) -> None:
    assert abs(_core.weight_of(item) - weight) <= 8  # a list may be a word larger than another
