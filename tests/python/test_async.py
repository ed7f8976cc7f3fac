"""Runs that an event loop carries: the same outcomes and policies as ever, and a loop that stays free."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import weakref
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from loops import exhaust, others, run

import centimane
from centimane import (
    Aborted,
    Cancelled,
    ItemResult,
    Limiter,
    RateLimit,
    Retry,
    RunStatus,
    StopToken,
    TaskTimeout,
    TimedOut,
    async_parallel_iter,
    async_parallel_map,
    async_parallel_starmap,
)

EXECUTORS = ("async", "thread", "process")


def square(x: int) -> int:
    if x < 0:
        raise ValueError(f"no root: {x}")
    return x * x


async def async_square(x: int) -> int:
    await asyncio.sleep(0)
    return square(x)


def of(executor: str) -> Any:
    """The function for that executor."""
    return async_square if executor == "async" else square


async def numbers(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(0)
        yield i


@pytest.mark.parametrize("executor", EXECUTORS)
def test_it_brings_what_the_other_map_brings(executor: Any) -> None:
    expected = list(centimane.parallel_map(square, range(200)))
    assert list(run(lambda: async_parallel_map(of(executor), range(200), executor=executor, workers=2))) == expected
    assert list(run(lambda: async_parallel_map(of(executor), numbers(200), executor=executor, workers=2))) == expected
    generator = run(lambda: async_parallel_map(of(executor), iter(range(200)), executor=executor, workers=2))
    assert list(generator) == expected
    assert list(run(lambda: async_parallel_map(of(executor), [], executor=executor))) == []
    assert list(run(lambda: async_parallel_map(of(executor), numbers(0), executor=executor))) == []


@pytest.mark.parametrize("executor", EXECUTORS)
def test_items_fail_alone(executor: Any) -> None:
    result = run(lambda: async_parallel_map(of(executor), [1, -2, 3], executor=executor))
    assert result.successes() == [(0, 1), (2, 9)]
    ((index, error),) = result.failures()
    assert (index, type(error), str(error)) == (1, ValueError, "no root: -2")
    assert [item.attempts for item in result.item_results()] == [1, 1, 1]


def test_starmap_unpacks() -> None:
    async def add(a: int, b: int) -> int:
        return a + b

    result = run(lambda: async_parallel_starmap(add, [(1, 2), (3, 4), (5,)]))
    assert result.successes() == [(0, 3), (1, 7)]
    assert isinstance(result.failures()[0][1], TypeError)
    assert list(run(lambda: async_parallel_starmap(pow, [(2, 3), (3, 2)], executor="process", workers=1))) == [8, 9]


@pytest.mark.parametrize(("given", "most"), [({}, 4), ({"concurrency": 7}, 7), ({"workers": 1}, 1)])
def test_so_many_run_at_once(given: dict[str, Any], most: int) -> None:
    present = seen = 0

    async def count(_: int) -> None:
        nonlocal present, seen
        present += 1
        seen = max(seen, present)
        for _ in range(5):
            await asyncio.sleep(0)
        present -= 1

    run(lambda: async_parallel_map(count, range(50), **given))
    assert seen == most


def test_a_window_bounds_what_is_pulled() -> None:
    pulled = settled = ahead = 0

    async def source() -> AsyncIterator[int]:
        nonlocal pulled, ahead
        for i in range(60):
            pulled += 1
            ahead = max(ahead, pulled - settled)
            yield i

    async def work(_: int) -> None:
        nonlocal settled
        await asyncio.sleep(0)
        settled += 1

    run(lambda: async_parallel_map(work, source(), concurrency=2, window_size=5))
    assert settled == 60
    # What a task has finished, the engine hears of at its next turn: so many items more may lie between.
    assert ahead <= 5 + 2


def test_an_idle_source_is_never_touched_and_a_pull_under_way_is_cancelled() -> None:
    ended: list[str] = []
    token = StopToken()

    async def main() -> None:
        pulling = asyncio.Event()

        async def source() -> AsyncIterator[int]:
            try:
                yield 1
                pulling.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        async def work(i: int) -> int:
            await pulling.wait()
            return i

        result = await async_parallel_map(work, source(), stop=token, on_result=lambda _: token.stop())
        assert result.successes() == [(0, 1)]

    run(main)
    assert ended == ["cancelled"]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_the_source_raises_comes_after_what_was_there(executor: Any, is_async: bool) -> None:
    def broken() -> Any:
        yield from range(3)
        raise OSError("the cursor is gone")

    async def broken_async() -> AsyncIterator[int]:
        for i in range(3):
            yield i
        raise OSError("the cursor is gone")

    seen: list[int] = []

    async def main() -> None:
        source: Any = broken_async() if is_async else broken()
        with pytest.raises(OSError, match="the cursor is gone"):
            await async_parallel_map(of(executor), source, executor=executor, on_result=lambda r: seen.append(r.index))

    run(main)
    assert sorted(seen) == [0, 1, 2]


# ---- policies


def test_what_fails_is_tried_again() -> None:
    tries: dict[int, int] = {}

    async def flaky(i: int) -> int:
        tries[i] = tries.get(i, 0) + 1
        if i % 2 and tries[i] < 3:
            raise ConnectionError(i)
        return i

    retry = Retry(attempts=3, backoff=0.001, on=(ConnectionError,))
    result = run(lambda: async_parallel_map(flaky, range(6), retry=retry))
    assert result.ok
    assert [item.attempts for item in result.item_results()] == [1, 3, 1, 3, 1, 3]


def test_a_limit_holds_back_starts() -> None:
    started: list[int] = []

    async def note(i: int) -> None:
        started.append(i)

    limiter = Limiter(RateLimit(1, "hour", burst=3))
    token = StopToken()

    def stop(item: ItemResult[None]) -> None:
        if item.index == 2:
            token.stop()

    result = run(lambda: async_parallel_map(note, range(5), rate_limit=limiter, stop=token, on_result=stop))
    assert result.status is RunStatus.CANCELLED
    assert started == [0, 1, 2]
    assert [type(error) for _, error in result.failures()] == [Cancelled, Cancelled]


def test_too_many_failures_end_it() -> None:
    result = run(lambda: async_parallel_map(async_square, [-1] * 100, concurrency=2, max_errors=3))
    assert result.aborted
    assert sum(isinstance(error, ValueError) for _, error in result.failures()) in (3, 4)  # one more was under way
    assert isinstance(result.failures()[-1][1], Aborted)


def test_a_token_stops_it_from_another_thread_while_all_sleeps() -> None:
    token = StopToken()

    async def main() -> Any:
        go = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def wait(i: int) -> int:
            if i == 0:  # the other one is waited for as well: a stop lets what runs come to its end
                thread.start()
            await go.wait()
            return i

        def stop() -> None:
            token.stop()
            loop.call_soon_threadsafe(go.set)

        thread = threading.Thread(target=stop)
        result = await async_parallel_map(wait, range(100), concurrency=2, stop=token)
        thread.join()
        return result

    result = run(main)
    assert result.status is RunStatus.CANCELLED
    assert result.successes() == [(0, 0), (1, 1)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_token_that_is_stopped_already_starts_nothing(executor: Any) -> None:
    token = StopToken()
    token.stop()
    result = run(lambda: async_parallel_map(of(executor), range(3), executor=executor, stop=token))
    assert result.status is RunStatus.CANCELLED
    assert [type(error) for _, error in result.failures()] == [Cancelled] * 3


def test_a_stop_wakes_a_run_that_waits_for_another_thread() -> None:
    token = StopToken()
    begun, go = threading.Event(), threading.Event()

    def wait(_: int) -> None:
        begun.set()
        go.wait()

    def stop() -> None:
        begun.wait()
        token.stop()
        go.set()

    async def main() -> Any:
        thread = threading.Thread(target=stop)
        thread.start()
        result = await async_parallel_map(wait, range(100), executor="thread", workers=1, stop=token)
        thread.join()
        return result

    assert run(main).status is RunStatus.CANCELLED


# ---- limits


def test_a_coroutine_past_its_limit_is_cancelled_with_its_stack() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async def work(i: int) -> int:
        if i == 1:
            await hang()
        return i

    result = run(lambda: async_parallel_map(work, range(3), task_timeout=0.05))
    assert result.successes() == [(0, 0), (2, 2)]
    error = result.failures()[0][1]
    assert isinstance(error, TaskTimeout)
    assert error.limit == 0.05
    assert "in work" in error.stack
    assert "in hang" in error.stack
    assert "in _call" not in error.stack


def test_a_value_after_the_limit_comes_too_late() -> None:
    async def stubborn(_: int) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        return "late"

    result = run(lambda: async_parallel_map(stubborn, [1], task_timeout=0.02))
    assert isinstance(result.failures()[0][1], TaskTimeout)


def test_a_timeout_is_tried_again_where_it_is_named() -> None:
    tries: list[int] = []

    async def slow_once(i: int) -> int:
        tries.append(i)
        if len(tries) == 1:
            await asyncio.Event().wait()
        return i

    result = run(lambda: async_parallel_map(slow_once, [7], task_timeout=0.05, retry=Retry(on=(TaskTimeout,))))
    assert list(result) == [7]
    assert tries == [7, 7]


@pytest.mark.parametrize("executor", ["async", "process"])
def test_the_runs_timeout_cuts_off_what_runs(executor: Any) -> None:
    import time

    function: Any = asyncio.sleep if executor == "async" else time.sleep
    result = run(lambda: async_parallel_map(function, [0, 1000], executor=executor, workers=2, timeout=0.3))
    assert result.timed_out
    assert isinstance(result.failures()[-1][1], TimedOut)


def test_threads_that_run_past_the_timeout_are_left_to_themselves() -> None:
    go = threading.Event()

    def wait(i: int) -> int:
        go.wait()
        return i

    try:
        result = run(lambda: async_parallel_map(wait, [1], executor="thread", timeout=0.05))
    finally:
        go.set()
    assert result.timed_out


# ---- callbacks


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("is_async", [False, True])
def test_callbacks_are_called_on_the_loop_and_awaited_in_order(executor: Any, is_async: bool) -> None:
    results: list[int] = []
    progress: list[tuple[int, int]] = []
    threads: set[int] = set()
    present = 0

    def note(item: ItemResult[int]) -> None:
        threads.add(threading.get_ident())
        results.append(item.index)

    async def note_slowly(item: ItemResult[int]) -> None:
        nonlocal present
        present += 1
        assert present == 1
        await asyncio.sleep(0)
        note(item)
        present -= 1

    async def done(n: int, total: int) -> None:
        progress.append((n, total))

    on_result: Any = note_slowly if is_async else note
    run(lambda: async_parallel_map(of(executor), range(20), executor=executor, on_result=on_result, on_progress=done))
    assert sorted(results) == list(range(20))
    assert progress == [(n, 20) for n in range(1, 21)]
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_callback_that_raises_ends_the_run(is_async: bool) -> None:
    cancelled: list[int] = []

    async def work(i: int) -> int:
        if i:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(i)
                raise
        await asyncio.sleep(0)
        return i

    def fail(_: Any) -> None:
        raise KeyError("callback")

    async def fail_later(_: Any) -> None:
        await asyncio.sleep(0)
        raise KeyError("callback")

    async def main() -> None:
        with pytest.raises(KeyError, match="callback"):
            await async_parallel_map(work, range(3), on_result=fail_later if is_async else fail)

    run(main)
    assert sorted(cancelled) == [1, 2]


def test_a_plain_function_without_an_executor_is_refused_at_its_first_result() -> None:
    called: list[int] = []

    def plain(i: int) -> int:
        called.append(i)
        return i

    with pytest.raises(TypeError, match="returned int, which cannot be awaited: give executor='thread'"):
        run(lambda: async_parallel_map(plain, range(1000)))  # type: ignore[arg-type,return-value]  # what is tested
    assert len(called) <= 4


def test_anything_that_returns_an_awaitable_will_do() -> None:
    class Client:
        async def __call__(self, x: int) -> int:
            return x + 1

    assert list(run(lambda: async_parallel_map(lambda x: async_square(x), [3]))) == [9]
    assert list(run(lambda: async_parallel_map(Client(), [3]))) == [4]


# ---- contexts

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("NAME")


@pytest.mark.parametrize("executor", ["async", "thread"])
def test_each_attempt_has_a_copy_of_the_callers_context(executor: Any) -> None:
    def look(i: int) -> str:
        found = NAME.get()
        NAME.set(f"changed by {i}")
        return found

    async def async_look(i: int) -> str:
        return look(i)

    async def main() -> Any:
        NAME.set("caller")
        seen: list[str] = []
        function: Any = async_look if executor == "async" else look
        result = await async_parallel_map(
            function, range(10), executor=executor, on_result=lambda _: seen.append(NAME.get())
        )
        assert seen == ["caller"] * 10
        assert NAME.get() == "caller"
        return result

    assert list(run(main)) == ["caller"] * 10


# ---- the loop stays free, nothing is left


def test_a_thread_may_wait_for_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        answered = threading.Event()

        def ask(_: int) -> bool:
            loop.call_soon_threadsafe(answered.set)
            return answered.wait(60)

        assert list(await async_parallel_map(ask, range(3), executor="thread")) == [True] * 3

    run(main)


def test_runs_share_a_loop_and_pools_with_plain_ones() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            runs = [
                group.create_task(async_parallel_map(square, range(500), executor=executor, workers=2))
                for executor in ("process", "thread", "process")
            ]
            plain = asyncio.to_thread(centimane.parallel_map, square, range(500), executor="process", workers=2)
            assert list(await plain)[-1] == 499 * 499
        for finished in runs:
            assert list(finished.result()) == [x * x for x in range(500)]

    run(main)


def test_a_run_leaves_nothing_of_its_function_behind() -> None:
    class Function:
        async def __call__(self, x: int) -> int:
            return x

    function = Function()
    gone = weakref.ref(function)

    async def main(function: Function) -> None:
        await async_parallel_map(function, range(10), on_result=lambda _: None, retry=Retry())

    run(partial(main, function))
    del function
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_will_do() -> None:
    async def at_once(x: int) -> int:
        return x

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        assert list(await async_parallel_map(at_once, range(100))) == list(range(100))
        assert list(await async_parallel_map(async_square, numbers(100))) == [x * x for x in range(100)]

    run(main)


# ---- streams


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("ordered", [False, True])
def test_a_stream_gives_each_outcome_once(executor: Any, ordered: bool) -> None:
    async def main() -> list[int]:
        return [
            item.index
            async for item in async_parallel_iter(
                of(executor), numbers(300), executor=executor, workers=2, ordered=ordered
            )
        ]

    seen = run(main)
    assert (seen if ordered else sorted(seen)) == list(range(300))


def test_a_stream_goes_on_while_its_consumer_is_busy() -> None:
    done: list[int] = []

    async def work(i: int) -> int:
        done.append(i)
        return i

    async def main() -> None:
        stream = async_parallel_iter(work, range(100), concurrency=1, window_size=10, ordered=True)
        async for item in stream:
            if item.index == 0:
                while len(done) < 10:  # the window's worth, without another look at the stream
                    await asyncio.sleep(0)
                for _ in range(10):
                    await asyncio.sleep(0)
                assert len(done) <= 11
        assert len(done) == 100

    run(main)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_slow_consumer_holds_back_the_source(executor: Any) -> None:
    pulled = 0

    async def source() -> AsyncIterator[int]:
        nonlocal pulled
        for i in range(100):
            pulled += 1
            yield i

    async def main() -> None:
        taken = 0
        async for _ in async_parallel_iter(of(executor), source(), executor=executor, workers=2, window_size=4):
            taken += 1
            for _ in range(5):
                await asyncio.sleep(0)
            assert pulled - taken <= 4 + 1
        assert taken == 100

    run(main)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_leaving_a_stream_early_ends_it(executor: Any) -> None:
    from contextlib import aclosing

    async def main() -> None:
        async with aclosing(async_parallel_iter(of(executor), numbers(10**9), executor=executor, workers=2)) as stream:
            async for item in stream:
                if item.index > 20:
                    break
        assert not await others()
        async for _ in async_parallel_iter(of(executor), range(10**9), executor=executor, workers=2):
            break
        while await others():  # the loop closes what was dropped
            await asyncio.sleep(0)

    run(main)


def test_a_stream_past_its_timeout_raises() -> None:
    async def main() -> None:
        stream = async_parallel_iter(asyncio.sleep, [0, 1000], timeout=2)
        first = await anext(stream)
        assert first.index == 0
        with pytest.raises(TimedOut):
            await exhaust(stream)

    run(main)


def test_a_stream_that_is_not_begun_costs_nothing() -> None:
    async def main() -> None:
        stream = async_parallel_iter(async_square, [1])
        await stream.aclose()

    run(main)


# ---- arguments


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "executor must be 'async', 'thread' or 'process'", {"executor": "sequential"}),
        (TypeError, "a coroutine function runs on the event loop", {"executor": "thread"}),
        (ValueError, "concurrency must be at least 1, not 0", {"concurrency": 0}),
        (TypeError, "concurrency must be an int, not float", {"concurrency": 2.5}),
        (ValueError, "workers must be at least 1, not -1", {"workers": -1}),
        (ValueError, "two names of one option", {"concurrency": 2, "workers": 3}),
        (ValueError, "window_size must be at least 1", {"window_size": 0}),
        (ValueError, "task_timeout must be more than 0", {"task_timeout": 0}),
        (ValueError, "timeout must be more than 0", {"timeout": -1}),
        (TypeError, "on_progress must be callable", {"on_progress": 1}),
        (ValueError, "on_cancel must be 'kill' or 'release', not 'leave'", {"on_cancel": "leave"}),
        (ValueError, "on_cancel needs executor='process'", {"on_cancel": "kill"}),
        (ValueError, "chunksize needs executor='process'", {"chunksize": 2}),
        (ValueError, "worker_init needs executor='process'", {"worker_init": print}),
        (ValueError, "max_tasks_per_worker needs executor='process'", {"max_tasks_per_worker": 2}),
        (ValueError, "start needs executor='process'", {"start": "fork"}),
        (TypeError, "retry must be a Retry", {"retry": 3}),
        (TypeError, "stop must be a StopToken", {"stop": True}),
        (ValueError, "max_errors must be at least 1", {"max_errors": 0}),
        (TypeError, "unexpected keyword argument", {"concurency": 3}),
    ],
)
@pytest.mark.parametrize("form", [async_parallel_map, async_parallel_iter])
def test_bad_arguments_are_refused_at_the_call(
    form: Any, error: type[Exception], message: str, options: dict[str, Any]
) -> None:
    called: list[int] = []

    async def work(i: int) -> None:
        called.append(i)

    async def main() -> None:
        made = form(work, [1, 2], **options)
        if form is async_parallel_map:
            await made

    with pytest.raises(error, match=message):
        run(main)
    assert not called


@pytest.mark.parametrize("items", [7, None, list])
def test_what_is_no_input_is_refused(items: Any) -> None:
    with pytest.raises(TypeError, match="items must be iterable"):
        run(lambda: async_parallel_map(async_square, items))


def test_a_stream_may_be_made_before_its_loop_runs() -> None:
    stream = async_parallel_iter(async_square, [3])

    async def main() -> None:
        assert [item.value async for item in stream] == [9]

    run(main)


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_slow_callback_does_not_make_the_loop_spin(executor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from centimane._async_carrier import Carrier

    heard = 0
    plain = Carrier._heard

    def count(*arguments: Any) -> None:
        nonlocal heard
        heard += 1
        plain(*arguments)

    async def slow(_: ItemResult[int]) -> None:
        await asyncio.sleep(0.05)

    monkeypatch.setattr(Carrier, "_heard", count)
    run(lambda: async_parallel_map(square, range(4), executor=executor, workers=2, on_result=slow))
    assert heard <= 100  # a descriptor that stays readable is told thousands of times
