"""``window_bytes=``: how much of an input is read ahead, by what it holds."""

from __future__ import annotations

import array
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
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
