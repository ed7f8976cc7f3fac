"""insights, trace and on_event of runs that an event loop carries."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from loops import exhaust, run

from centimane import AsyncParallelIterator, async_parallel, async_parallel_iter, async_parallel_map, events
from centimane.events import Event


async def later(n: int) -> int:
    await asyncio.sleep(0)
    return n + 1


def increment(n: int) -> int:
    return n + 1


@pytest.mark.parametrize("executor", ["async", "thread", "process"])
def test_all_three(executor: Any, tmp_path: Path) -> None:
    seen: list[Event] = []
    path = tmp_path / "run.json"
    function: Any = later if executor == "async" else increment
    result = run(
        lambda: async_parallel_map(
            function, range(50), executor=executor, workers=3, insights=True, trace=path, on_event=seen.append
        )
    )
    assert list(result) == list(range(1, 51))
    insights = result.insights
    assert insights.detailed
    assert (insights.items, sum(worker.items for worker in insights.workers)) == (50, 50)
    assert len(insights.workers) <= 3
    ended = [event for event in seen if isinstance(event, events.AttemptEnded)]
    assert sorted(event.index for event in ended) == list(range(50))
    assert isinstance(seen[0], events.RunBegun)
    assert isinstance(seen[-1], events.RunEnded)
    slices = [event for event in json.loads(path.read_text())["traceEvents"] if event.get("cat") == "attempt"]
    assert sorted(event["args"]["index"] for event in slices) == list(range(50))


def test_without_them_items_are_counted() -> None:
    insights = run(lambda: async_parallel_map(later, range(10))).insights
    assert not insights.detailed
    assert insights.items == insights.attempts == 10


def test_a_stream_and_a_decorator() -> None:
    seen: list[Event] = []
    run(lambda: exhaust(async_parallel_iter(later, range(5), on_event=seen.append)))
    assert isinstance(seen[-1], events.RunEnded)
    decorated = async_parallel(insights=True)(later)
    assert run(lambda: decorated.map(range(3))).insights.detailed


def test_an_exception_of_the_hook_ends_the_run() -> None:
    def hook(event: Event) -> None:
        if isinstance(event, events.AttemptEnded):
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        run(lambda: async_parallel_map(later, range(100), on_event=hook))


@pytest.mark.parametrize(("name", "bad"), [("insights", 1), ("trace", 3), ("on_event", "print")])
def test_bad_values(name: str, bad: object) -> None:
    options: Any = {name: bad}
    with pytest.raises(TypeError, match=name):
        run(lambda: async_parallel_map(later, [1], **options))


def test_a_stream_has_insights_while_it_runs() -> None:
    async def main() -> None:
        stream = async_parallel_iter(later, iter(range(300)), concurrency=4, window_size=10)
        assert isinstance(stream, AsyncParallelIterator)
        assert aiter(stream) is stream
        assert stream.insights.items == 0
        taken = 0
        async for _ in stream:
            taken += 1
            assert taken <= stream.insights.items <= taken + 10
        seen = stream.insights
        assert seen.items == taken == 300
        await stream.aclose()
        assert stream.insights == seen, "as it was at its end"

    run(main)


def test_a_stream_is_an_async_generator_in_all_but_its_type() -> None:
    async def main() -> None:
        stream = async_parallel_iter(later, range(1000), ordered=True, window_size=10)
        first = await stream.asend(None)
        assert first.value == 1
        with pytest.raises(LookupError, match="enough"):
            await stream.athrow(LookupError("enough"))
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert 1 <= stream.insights.items < 1000

    run(main)
