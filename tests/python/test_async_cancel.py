"""What becomes of a run whose awaiting task is cancelled: its work ends with it, and nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from loops import cancel_one, exhaust, others, run
from tasks import tell_and_wait

from centimane import async_parallel_iter, async_parallel_map


class Cancelled:
    """Coroutines that wait for ever, and what has become of them."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.all_begun = asyncio.Event()

    async def __call__(self, i: int) -> None:
        self.begun.append(i)
        if len(self.begun) == 3:
            self.all_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up may take its time
            self.ended.append(i)


def test_cancelling_the_task_cancels_its_coroutines_and_awaits_them() -> None:
    async def main() -> None:
        work = Cancelled()
        task = asyncio.create_task(async_parallel_map(work, range(100), concurrency=3))
        await work.all_begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(work.ended) == work.begun == [0, 1, 2]

    run(main)


def test_a_second_cancellation_does_not_cut_the_cleaning_up_short() -> None:
    async def main() -> None:
        begun, go = asyncio.Event(), asyncio.Event()
        cleaned: list[int] = []

        async def work(i: int) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await go.wait()
                cleaned.append(i)

        task = asyncio.create_task(async_parallel_map(work, [1]))
        await begun.wait()
        task.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cleaned == [1]

    run(main)


def test_in_a_task_group_one_failure_ends_the_others() -> None:
    async def main() -> None:
        work = Cancelled()

        async def fail() -> None:
            await work.all_begun.wait()
            raise KeyError("the other one")

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(async_parallel_map(work, range(100), concurrency=3))
                group.create_task(fail())

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert [type(error) for error in caught.value.exceptions] == [KeyError]
        assert sorted(work.ended) == [0, 1, 2]

    run(main)


def test_under_asyncio_timeout_it_ends_as_timeout_says() -> None:
    async def main() -> None:
        for waits in (
            lambda: async_parallel_map(asyncio.sleep, [1000] * 10),
            lambda: exhaust(async_parallel_iter(asyncio.sleep, [1000] * 10)),
        ):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await waits()
            assert not await others()

    run(main)


def test_the_end_of_the_loop_ends_what_nobody_awaits() -> None:
    """``asyncio.run`` cancels what is left, and closes async generators."""
    ended: list[int] = []

    async def work(i: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(i)

    async def main() -> Any:
        task = asyncio.create_task(async_parallel_map(work, [1, 2]))
        stream = async_parallel_iter(work, [3, 4])
        waiting = asyncio.ensure_future(anext(stream))
        for _ in range(5):
            await asyncio.sleep(0)
        return task, stream, waiting

    asyncio.run(main())
    assert sorted(ended) == [1, 2, 3, 4]


def test_a_program_that_is_interrupted_ends_once_with_its_coroutines(script: Any) -> None:
    done = script(
        """
        import asyncio, os, signal, centimane

        async def work(i):
            if i == 1:
                os.kill(os.getpid(), signal.SIGINT)
            try:
                await asyncio.Event().wait()
            finally:
                print("ended", i, flush=True)

        async def main():
            await centimane.async_parallel_map(work, range(10), concurrency=2)

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert sorted(done.stdout.split("\n")) == ["", "ended 0", "ended 1", "interrupted"], done.stderr
    assert not done.stderr


@pytest.fixture
def pipes(tmp_path: Path) -> str:
    """Where `tell_and_wait` tells and waits."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path + ".out")
    os.mkfifo(path + ".in")
    return path


def _cancel_one(pipes: str, **options: Any) -> int:
    return cancel_one(
        lambda: async_parallel_map(tell_and_wait, [pipes], executor="process", workers=1, **options), pipes
    )


@pytest.mark.parametrize("options", [{}, {"on_cancel": "kill"}])
def test_by_default_tasks_on_workers_are_ended(pipes: str, options: dict[str, Any]) -> None:
    _cancel_one(pipes, **options)
    # The pool's only worker is free, or another is there in its place; nobody has told the task to go on.
    assert run(lambda: async_parallel_map(_pid, [0], executor="process", workers=1)).ok
    assert not Path(pipes + ".done").exists()


def test_on_request_tasks_on_workers_end_unread(pipes: str) -> None:
    pid = _cancel_one(pipes, on_cancel="release")
    with open(pipes + ".in", "w") as go:  # it still waits there, or this would
        go.write("go")

    async def main() -> None:
        result = await async_parallel_map(_pid, [0], executor="process", workers=1)
        assert list(result) == [pid]

    run(main)
    assert Path(pipes + ".done").read_text() == "done"


def _pid(_: int) -> int:
    return os.getpid()


def test_a_thread_is_not_waited_for() -> None:
    begun, go = threading.Event(), threading.Event()
    ran: list[int] = []

    def work(i: int) -> None:
        ran.append(i)
        begun.set()
        go.wait()

    async def main() -> None:
        task = asyncio.create_task(async_parallel_map(work, range(100), executor="thread", workers=1))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    try:
        run(main)
    finally:
        go.set()
    assert ran == [0]


def test_a_coroutine_that_is_cancelled_by_somebody_else_fails_alone() -> None:
    async def main() -> None:
        async def work(i: int) -> int:
            if i == 1:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)
            return i

        result = await async_parallel_map(work, range(3))
        assert result.successes() == [(0, 0), (2, 2)]
        assert "item 1: its task was cancelled from outside the run" in str(result.failures()[0][1])

    run(main)


def test_a_worker_that_dies_costs_its_task() -> None:
    async def main() -> None:
        result = await async_parallel_map(_die, range(4), executor="process", workers=2)
        assert [index for index, _ in result.failures()] == [2]

    run(main)


def _die(i: int) -> int:
    if i == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return i
