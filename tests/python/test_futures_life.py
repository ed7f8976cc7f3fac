"""How executors end: shutdown in all its forms, dropped executors, the interpreter's end, forks; and what callbacks may do."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from centimane import PoolForked
from centimane.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor


def square(x: int) -> int:
    return x * x


def say_and_sleep(path: str) -> None:
    Path(path).touch()
    time.sleep(600)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("cancel", [True, False])
def test_shutdown(wait: bool, cancel: bool) -> None:
    executor = ProcessPoolExecutor(2)
    futures = [executor.submit(square, n) for n in range(500)]
    executor.shutdown(wait=wait, cancel_futures=cancel)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(square, 1)
    for n, future in enumerate(futures):
        if not future.cancelled():
            assert future.result() == n * n
    assert cancel or not any(future.cancelled() for future in futures)
    executor.shutdown()


def test_shutdown_of_what_never_began() -> None:
    executor = ProcessPoolExecutor(2)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(square, 1)


def test_a_dropped_executor_finishes_its_tasks() -> None:
    executor = ProcessPoolExecutor(2)
    futures = [executor.submit(square, n) for n in range(500)]
    settler = executor._executor_manager_thread
    del executor
    gc.collect()
    assert [future.result() for future in futures] == [n * n for n in range(500)]
    assert settler is not None
    settler.join()


def test_dropped_futures_run_all_the_same() -> None:
    with ProcessPoolExecutor(1) as executor:
        for n in range(200):
            executor.submit(square, n)
        assert executor.submit(square, 3).result() == 9


def test_callbacks() -> None:
    told: list[int] = []
    all_told = threading.Event()

    def tell(future: Future[int]) -> None:
        told.append(future.result())
        if len(told) == 300:
            all_told.set()

    with ProcessPoolExecutor(2) as executor:
        for n in range(300):
            executor.submit(square, n).add_done_callback(tell)
        assert all_told.wait(300)
    assert sorted(told) == [n * n for n in range(300)]


def test_a_callback_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_future: object) -> None:
        raise KeyError("in a callback")

    with ProcessPoolExecutor(1) as executor:
        future = executor.submit(square, 2)
        future.add_done_callback(fail)
        assert future.result() == 4
    assert "in a callback" in caplog.text


def test_a_callback_that_submits() -> None:
    done = threading.Event()
    with ProcessPoolExecutor(2) as executor:

        def again(future: Future[int]) -> None:
            if future.result() > 10_000:
                done.set()
            else:
                executor.submit(square, future.result() + 1).add_done_callback(again)

        executor.submit(square, 1).add_done_callback(again)
        assert done.wait(300)


def test_asyncio() -> None:
    async def main(executor: ProcessPoolExecutor) -> list[int]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(executor, square, n) for n in range(300)))

    with ProcessPoolExecutor(2) as executor:
        assert asyncio.run(main(executor)) == [n * n for n in range(300)]


@pytest.mark.parametrize("kind", [ProcessPoolExecutor, ThreadPoolExecutor])
def test_futures_can_be_awaited(kind: type[ProcessPoolExecutor | ThreadPoolExecutor]) -> None:
    async def main(executor: ProcessPoolExecutor | ThreadPoolExecutor) -> None:
        assert await executor.submit(square, 3) == 9
        assert await asyncio.gather(*(executor.submit(square, n) for n in range(100))) == [n * n for n in range(100)]
        assert await asyncio.wait_for(executor.submit(square, 4), 300) == 16
        done = executor.submit(square, 5)
        assert done.result() == 25
        assert [await done, await done] == [25, 25]
        outcomes = await asyncio.gather(*(executor.submit(divmod, 7, n) for n in (2, 0)), return_exceptions=True)
        assert outcomes[0] == (3, 1)
        assert isinstance(outcomes[1], ZeroDivisionError)

    with kind(2) as executor:
        asyncio.run(main(executor))


@pytest.mark.parametrize("way", ["await", "run_in_executor"])
def test_who_stops_waiting_stops_the_task(way: str, tmp_path: Path) -> None:
    async def main(executor: ProcessPoolExecutor) -> None:
        stoppable = executor.with_options(stop_running=True)
        loop = asyncio.get_running_loop()

        async def wait(begun: Path) -> None:
            if way == "await":
                await stoppable.submit(say_and_sleep, str(begun))
            else:
                await loop.run_in_executor(stoppable, say_and_sleep, str(begun))

        for number in range(3):
            begun = tmp_path / str(number)
            waiting = asyncio.ensure_future(wait(begun))
            while not begun.exists():
                await asyncio.sleep(0.001)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await stoppable.submit(square, 3) == 9  # the only worker is free

    with ProcessPoolExecutor(1) as executor:
        asyncio.run(main(executor))


def test_an_executor_with_options_is_an_executor() -> None:
    executor = ProcessPoolExecutor(1)
    limited = executor.with_options(timeout=300)
    assert isinstance(limited, concurrent.futures.Executor)
    with limited:
        assert list(limited.map(square, range(3))) == [0, 1, 4]
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(square, 1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_is_told() -> None:
    with ProcessPoolExecutor(1) as executor:
        future = executor.submit(square, 3)
        pid = os.fork()
        if pid == 0:
            try:
                executor.submit(square, 1)
            except PoolForked:
                try:
                    future.result()
                except PoolForked:
                    os._exit(0)
            except BaseException:
                os._exit(2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert future.result() == 9


Script = Callable[..., Any]


@pytest.mark.parametrize("kind", ["ProcessPoolExecutor", "ThreadPoolExecutor"])
def test_the_interpreters_end_waits(script: Script, kind: str) -> None:
    done = script(f"""
        from centimane.futures import {kind}
        def show(n):
            print(n, flush=True)
        executor = {kind}(1)
        for n in range(100):
            executor.submit(show, n)
    """)
    assert done.returncode == 0, done.stderr
    assert sorted(map(int, done.stdout.split())) == list(range(100))
    assert done.stderr == ""


@pytest.mark.parametrize("kind", ["ProcessPoolExecutor", "ThreadPoolExecutor"])
def test_nothing_is_taken_at_the_end(script: Script, kind: str) -> None:
    done = script(f"""
        import atexit
        @atexit.register
        def last():
            try:
                executor.submit(abs, 1)
            except RuntimeError as error:
                print(error)
        from centimane.futures import {kind}
        executor = {kind}(1)
        executor.submit(abs, 1).result()
    """)
    assert done.returncode == 0, done.stderr
    assert "cannot schedule new futures" in done.stdout


def test_ctrl_c_ends_a_wait(script: Script) -> None:
    done = script("""
        import os, signal, threading, time
        from centimane.futures import ProcessPoolExecutor
        executor = ProcessPoolExecutor(1)
        future = executor.submit(time.sleep, 600)
        executor.submit(abs, 1)
        try:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            future.result()
        except KeyboardInterrupt:
            print("interrupted")
        executor.kill_workers()
    """)
    assert done.stdout == "interrupted\n", done.stderr
