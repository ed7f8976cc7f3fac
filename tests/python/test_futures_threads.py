"""centimane.futures.ThreadPoolExecutor."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator

import pytest

from centimane.futures import BrokenExecutor, Future, ThreadPoolExecutor, as_completed, wait


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def test_submit(executor: ThreadPoolExecutor) -> None:
    future = executor.submit(pow, 2, 8)
    assert isinstance(future, Future)
    assert future.result() == 256
    assert isinstance(executor, concurrent.futures.ThreadPoolExecutor)


def test_keywords_are_the_tasks_own(executor: ThreadPoolExecutor) -> None:
    def echo(*args: object, **kwargs: object) -> object:
        return args, kwargs

    assert executor.submit(echo, 0, self=1, fn=2).result() == ((0,), {"self": 1, "fn": 2})


def test_what_a_task_raises(executor: ThreadPoolExecutor) -> None:
    def fail() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        executor.submit(fail).result()


def test_map_as_completed_and_wait(executor: ThreadPoolExecutor) -> None:
    assert list(executor.map(pow, range(10), range(10))) == [n**n for n in range(10)]
    futures = [executor.submit(abs, -n) for n in range(1000)]
    assert sorted(future.result() for future in as_completed(futures)) == list(range(1000))
    assert len(wait([executor.submit(abs, n) for n in range(100)]).done) == 100


def test_threads_are_started_one_by_one(executor: ThreadPoolExecutor) -> None:
    for _ in range(3):
        executor.submit(abs, 1).result()
    assert len(executor._threads) == 1
    gate = threading.Event()
    futures = [executor.submit(gate.wait) for _ in range(20)]
    assert len(executor._threads) == 4
    assert not futures[0].cancel()
    assert futures[-1].cancel()
    gate.set()
    assert all(future.result() for future in futures[:-1])


def test_shutdown_cancels_what_waits() -> None:
    executor = ThreadPoolExecutor(1)
    gate, begun = threading.Event(), threading.Event()

    def block() -> bool:
        begun.set()
        return gate.wait()

    running = executor.submit(block)
    begun.wait()
    waiting = [executor.submit(abs, 1) for _ in range(10)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in waiting)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(abs, 1)
    gate.set()
    assert running.result()
    executor.shutdown()


def test_an_initializer_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("never")

    with ThreadPoolExecutor(1, initializer=fail) as executor:
        with pytest.raises(BrokenExecutor):
            executor.submit(abs, 1).result()
        with pytest.raises(BrokenExecutor):
            executor.submit(abs, 1)
    assert "Exception in initializer" in caplog.text


def test_a_dropped_executor_ends_its_threads() -> None:
    executor = ThreadPoolExecutor(2)
    future = executor.submit(abs, -3)
    threads = executor._threads
    del executor
    assert future.result() == 3
    for thread in threads:
        thread.join()


def test_as_the_loops_default() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(2))
        return await asyncio.gather(*(asyncio.to_thread(abs, -n) for n in range(50)))

    assert asyncio.run(main()) == list(range(50))


def test_a_hundred_thousand_futures(executor: ThreadPoolExecutor) -> None:
    futures = [executor.submit(abs, -n) for n in range(100_000)]
    assert sum(future.result() for future in futures) == sum(range(100_000))


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="max_workers"):
        ThreadPoolExecutor(0)
    with pytest.raises(TypeError, match="initializer"):
        ThreadPoolExecutor(1, initializer=3)  # type: ignore[arg-type]
