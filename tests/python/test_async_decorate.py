"""``@async_parallel``: the three forms on functions, methods and static methods, with defaults that a call may replace."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from typing import Any

import pytest
from loops import run

from centimane import ItemResult, TaskTimeout, async_parallel


@async_parallel
async def square(x: int) -> int:
    """Of x."""
    return x * x


@async_parallel(concurrency=2, task_timeout=30)
async def power(base: int, exponent: int) -> int:
    return base**exponent


@async_parallel(executor="process", workers=1)
def cube(x: int) -> int:
    return x**3


class Scraper:
    def __init__(self, base: int) -> None:
        self.base = base

    @async_parallel(concurrency=5)
    async def fetch(self, x: int) -> int:
        return self.base + x

    @staticmethod
    @async_parallel()
    async def parse(x: int) -> int:
        return -x


def test_called_it_is_the_function() -> None:
    async def main() -> None:
        assert await square(3) == 9
        assert await power(2, exponent=5) == 32
        assert await Scraper(10).fetch(1) == 11
        assert await Scraper.parse(3) == -3

    run(main)
    assert (square.__name__, square.__doc__, square.__wrapped__.__name__) == ("square", "Of x.", "square")


async def numbers(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


def test_the_three_forms() -> None:
    async def main() -> None:
        assert list(await square.map(range(4))) == [0, 1, 4, 9]
        assert list(await square.map(numbers(4), concurrency=1)) == [0, 1, 4, 9]
        assert list(await power.starmap([(2, 3), (3, 2)])) == [8, 9]
        assert [item.value async for item in square.stream(range(4), ordered=True)] == [0, 1, 4, 9]
        assert list(await cube.map(range(4))) == [0, 1, 8, 27]
        assert cube(3) == 27

    run(main)


def test_methods_and_static_methods() -> None:
    async def main() -> None:
        scraper = Scraper(100)
        assert list(await scraper.fetch.map([1, 2])) == [101, 102]
        assert [item.value async for item in scraper.fetch.stream([1, 2], ordered=True)] == [101, 102]
        assert list(await Scraper.fetch.starmap([(scraper, 1)])) == [101]
        assert list(await scraper.parse.map([1, 2])) == [-1, -2]

    run(main)


def test_the_calls_options_take_the_place_of_the_decorators() -> None:
    seen: list[int] = []

    async def hang(_: int) -> None:
        await asyncio.Event().wait()

    async def note(item: ItemResult[Any]) -> None:
        seen.append(item.index)

    async def main() -> None:
        short = async_parallel(task_timeout=0.05, timeout=1000, on_result=note, concurrency=3)(hang)
        result = await short.map([1, 2])
        assert {type(error) for _, error in result.failures()} == {TaskTimeout}
        assert sorted(seen) == [0, 1]
        result = await short.map([1, 2], task_timeout=None, timeout=0.05, workers=2, on_result=None)
        assert result.timed_out
        assert len(seen) == 2
        errors = [item.error async for item in short.stream([1, 2])]  # timeout and on_result are about maps
        assert len(errors) == 2
        assert len(seen) == 2

    run(main)


def test_bad_defaults_are_refused() -> None:
    with pytest.raises(TypeError, match="takes no stop: give it to the call"):
        async_parallel(stop=None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="needs a function, not int"):
        async_parallel()(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_it_pickles_as_its_name() -> None:
    assert pickle.loads(pickle.dumps(square)) is square
    assert repr(square).startswith("<async parallel ")
    assert repr(Scraper(1).fetch).startswith("<async parallel method ")
