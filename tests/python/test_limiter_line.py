"""Waiting for a limiter's tokens: one line for threads and event loops, first come, first served."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from centimane import Limiter, RateLimit
from centimane._limiter import _Waiting, _WaitingInLoop


def slow() -> Limiter:
    """A limiter whose next token is an hour away."""
    limiter = Limiter(RateLimit(1, "hour"))
    assert limiter.wait(timeout=0)
    return limiter


def test_tasks_are_served_in_the_order_in_which_they_came() -> None:
    limiter = Limiter(RateLimit(2000))
    served: list[int] = []

    async def take(i: int) -> None:
        await limiter.wait_async()
        served.append(i)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for i in range(100):
                group.create_task(take(i))

    asyncio.run(main())
    assert served == list(range(100))


def test_threads_and_tasks_stand_in_one_line() -> None:
    limiter = Limiter(RateLimit(1000))
    line = limiter._waiting
    served: list[str] = []
    head = _Waiting()
    assert line.join(head)  # holds all others up

    def take() -> None:
        limiter.wait()
        served.append("thread")

    async def take_async() -> None:
        await limiter.wait_async()
        served.append("first")

    async def main() -> None:
        first = asyncio.create_task(take_async())
        await asyncio.sleep(0)
        thread = threading.Thread(target=take)
        thread.start()
        while line.length < 3:
            await asyncio.sleep(0)
        assert limiter._core.take() == 0  # a token is there, and nobody takes it out of turn
        second = asyncio.create_task(limiter.wait_async())
        await asyncio.sleep(0)
        assert line.length == 4
        assert not served
        line.leave(head)
        await asyncio.gather(first, second)
        await asyncio.to_thread(thread.join)

    asyncio.run(main())
    assert sorted(served) == ["first", "thread"]
    assert line.length == 0


def test_who_leaves_the_line_lets_the_next_one_up() -> None:
    limiter = slow()

    async def main() -> None:
        waiting = [asyncio.create_task(limiter.wait_async()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting[:2]:  # the head, and one behind it
            task.cancel()
        await asyncio.wait(waiting[:2])
        assert limiter._waiting.length == 1
        waiting[2].cancel()
        await asyncio.wait(waiting)
        assert limiter._waiting.length == 0

    asyncio.run(main())


def test_a_thread_behind_others_gives_up_at_its_timeout() -> None:
    limiter = slow()

    async def main() -> None:
        task = asyncio.create_task(limiter.wait_async())
        await asyncio.sleep(0)
        assert not await asyncio.to_thread(limiter.wait, 0.01)
        assert not await asyncio.to_thread(limiter.wait, 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_loop_that_was_closed_under_a_waiter_holds_nobody_up() -> None:
    limiter = slow()
    line = limiter._waiting
    closed = asyncio.new_event_loop()
    head, gone, alive = _Waiting(), _WaitingInLoop(closed), _Waiting()
    closed.close()
    assert line.join(head)
    assert not line.join(gone)
    assert not line.join(alive)
    line.leave(head)
    assert alive.sleep(0)  # it has been woken
    line.leave(alive)
    assert line.length == 0


def test_a_fork_has_a_line_of_its_own() -> None:
    limiter = slow()

    async def main() -> int:
        task = asyncio.create_task(limiter.wait_async())
        await asyncio.sleep(0)
        child = os.fork()
        if child == 0:
            # Behind the parent's waiter it would wait for somebody who is not here.
            os._exit(0 if not limiter.wait(timeout=0) and limiter._waiting.length == 0 else 1)
        _, status = os.waitpid(child, 0)
        task.cancel()
        await asyncio.wait({task})
        return status

    assert asyncio.run(main()) == 0
