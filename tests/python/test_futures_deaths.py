"""Submitted tasks whose worker dies, hangs or is stopped: one task, one outcome, and the pool lives on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from going_wrong import go_wrong, square

from centimane import TaskTimeout, WorkerDied
from centimane.futures import BrokenProcessPool, CancelledError, ProcessPoolExecutor


@pytest.fixture
def executor() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2) as made:
        yield made


def say_and_sleep(path: str) -> None:
    Path(path).touch()
    time.sleep(600)


def until_begun(path: Path) -> None:
    while not path.exists():
        time.sleep(0.001)


@pytest.mark.parametrize("how", ["exit", "kill", "crash"])
def test_a_death_fails_its_own_future_only(executor: ProcessPoolExecutor, how: str) -> None:
    before = [executor.submit(square, n) for n in range(50)]
    victim = executor.submit(go_wrong, how)
    after = [executor.submit(square, n) for n in range(50)]
    error = victim.exception()
    assert isinstance(error, WorkerDied)
    assert isinstance(error, BrokenProcessPool)
    assert [future.result() for future in before + after] == [n * n for n in range(50)] * 2
    assert executor.submit(square, 3).result() == 9


def test_all_breaks_where_it_is_asked_for() -> None:
    with ProcessPoolExecutor(1, on_worker_death="break") as executor:
        victim = executor.submit(go_wrong, "exit")
        after = []
        try:
            after += [executor.submit(square, n) for n in range(50)]
        except BrokenProcessPool:  # it is known already
            pass
        assert isinstance(victim.exception(), BrokenProcessPool)
        for future in after:  # a successor may have come to it before the death was known
            assert future.exception() is None or isinstance(future.exception(), BrokenProcessPool)
        with pytest.raises(BrokenProcessPool):
            executor.submit(square, 1)


def test_a_task_timeout(executor: ProcessPoolExecutor) -> None:
    future = executor.with_options(timeout=0.2).submit(time.sleep, 600)
    error = future.exception()
    assert isinstance(error, TaskTimeout)
    assert isinstance(error, TimeoutError)
    assert error.limit == 0.2
    assert executor.with_options(timeout=300).submit(square, 4).result() == 16
    assert list(executor.with_options(timeout=300).map(square, range(5))) == [0, 1, 4, 9, 16]


def test_cancel_stops_a_running_task_on_request(executor: ProcessPoolExecutor, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    future = executor.with_options(stop_running=True).submit(say_and_sleep, str(begun))
    until_begun(begun)
    assert future.running()
    assert future.cancel()
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result()
    assert executor.submit(square, 3).result() == 9


def test_cancel_leaves_a_running_task_alone_otherwise(executor: ProcessPoolExecutor, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    future = executor.submit(say_and_sleep, str(begun))
    until_begun(begun)
    assert not future.cancel()
    assert future.running()
    executor.kill_workers()
    assert isinstance(future.exception(), BrokenProcessPool)


def test_many_that_may_be_stopped(executor: ProcessPoolExecutor) -> None:
    stoppable = executor.with_options(stop_running=True)
    futures = [stoppable.submit(square, n) for n in range(2000)]
    assert [future.result() for future in futures] == [n * n for n in range(2000)]
    futures = [stoppable.submit(time.sleep, 600) for _ in range(100)]
    assert all(future.cancel() for future in futures)
    assert all(future.cancelled() for future in futures)


def test_what_waits_is_cancelled(executor: ProcessPoolExecutor) -> None:
    futures = [executor.submit(time.sleep, 600) for _ in range(100)]
    cancelled = [future for future in futures if future.cancel()]
    assert len(cancelled) >= 80
    told: list[bool] = []
    for future in cancelled:
        future.add_done_callback(lambda it: told.append(it.cancelled()))
    assert told == [True] * len(cancelled)
    executor.kill_workers()
    assert all(future.done() for future in futures)


@pytest.mark.parametrize("how", ["terminate_workers", "kill_workers"])
def test_workers_are_ended(executor: ProcessPoolExecutor, how: str, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    running = executor.submit(say_and_sleep, str(begun))
    until_begun(begun)
    waiting = [executor.submit(square, n) for n in range(100)]
    getattr(executor, how)()
    assert isinstance(running.exception(), BrokenProcessPool)
    assert all(future.done() for future in waiting)
    with pytest.raises(RuntimeError):
        executor.submit(square, 1)


def test_killed_from_outside(executor: ProcessPoolExecutor, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    future = executor.submit(say_and_sleep, str(begun))
    until_begun(begun)
    for worker in executor._processes.values():
        worker.kill()
    assert isinstance(future.exception(), BrokenProcessPool)
    assert executor.submit(square, 3).result() == 9
