"""What type checkers know of decorated functions, methods and static methods. Not run: `make lint` has mypy and pyright read it, and an
ignored error that is none is one.
"""

from __future__ import annotations

from typing import assert_type

from centimane import ParallelResult, async_parallel, parallel


@parallel
def length(name: str) -> int:
    return len(name)


@parallel(workers=2)
def power(base: int, exponent: int = 2) -> float:
    return float(base**exponent)


class Service:
    @parallel(workers=2)
    def ask(self, page: int) -> str:
        return str(page)

    @staticmethod
    @parallel(workers=2)
    def half(x: int) -> float:
        return x / 2

    @async_parallel
    async def fetch(self, page: int) -> str:
        return str(page)


@async_parallel(concurrency=2)
async def fetch(page: int) -> str:
    return str(page)


assert_type(length("ada"), int)
assert_type(length.map(["ada"]), ParallelResult[int])
length.map([1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
assert_type(power(2, exponent=3), float)
assert_type(power.starmap([(2, 3)]), ParallelResult[float])
assert_type(next(iter(length.stream(["ada"]))).value, int | None)
assert_type(Service().ask(1), str)
assert_type(Service().ask.map([1]), ParallelResult[str])
assert_type(Service.half(1), float)
assert_type(Service().half(1), float)
assert_type(Service.half.map([1]), ParallelResult[float])
Service.half.map(["1"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def main() -> None:
    assert_type(await fetch(1), str)
    assert_type(await fetch.map([1]), ParallelResult[str])
    assert_type(await Service().fetch(1), str)
    assert_type(await Service().fetch.map([1]), ParallelResult[str])
    await fetch.map(["1"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
