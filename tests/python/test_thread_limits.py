"""``task_timeout`` where nobody can be ended: the task is asked, and what it brings too late does not count. ``stop_requested`` everywhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from loops import run

from centimane import (
    Retry,
    RunStatus,
    StopToken,
    TaskTimeout,
    _core,
    _threads,
    async_parallel_map,
    events,
    parallel_iter,
    parallel_map,
    stop_requested,
)

PATIENCE = 60.0
"""A watchdog, no expectation."""
SHORT = 0.02

here = pytest.mark.parametrize(
    "place", [{"executor": "thread", "workers": 2}, {"executor": "sequential"}], ids=["thread", "sequential"]
)
Place = dict[str, Any]


def until_asked() -> None:
    latest = time.monotonic() + PATIENCE
    while not stop_requested():
        assert time.monotonic() < latest
        time.sleep(0.001)


@here
@pytest.mark.parametrize("brings", [lambda: "a value", lambda: 1 / 0], ids=["value", "error"])
def test_what_comes_back_too_late_does_not_count(place: Place, brings: Callable[[], object]) -> None:
    def work(_: int) -> object:
        until_asked()
        return brings()

    result = parallel_map(work, range(3), task_timeout=SHORT, **place)
    assert result.status is RunStatus.COMPLETED
    assert [index for index, _ in result.failures()] == [0, 1, 2]
    for index, error in result.failures():
        assert isinstance(error, TaskTimeout)
        assert error.limit == SHORT
        assert error.worker >= 0
        assert f"item {index} ran longer than its task_timeout of 0.02 s (it came back after" in str(error)
    assert [item.attempts for item in result.item_results()] == [1, 1, 1]


@here
def test_in_time_is_as_ever(place: Place) -> None:
    assert parallel_map(lambda n: (n, stop_requested()), range(500), task_timeout=PATIENCE, **place).values() == [
        (n, False) for n in range(500)
    ]


@here
def test_the_others_go_on(place: Place) -> None:
    def work(n: int) -> int:
        if n == 1:
            until_asked()
        return n

    result = parallel_map(work, iter(range(4)), task_timeout=1, **place)
    assert result.successes() == [(0, 0), (2, 2), (3, 3)]


@here
def test_it_is_tried_again_where_that_is_asked_for(place: Place) -> None:
    """The item is kept for that, and no attempt begins while another of its item runs."""
    tries: list[int] = []
    inside: set[int] = set()

    def work(n: int) -> int:
        assert n not in inside
        inside.add(n)
        tries.append(n)
        if tries.count(n) == 1:
            until_asked()
        inside.discard(n)
        return n * n

    retry = Retry(attempts=1000, backoff=0.001, on=(TaskTimeout,))
    result = parallel_map(work, iter(range(4)), task_timeout=0.1, retry=retry, **place)
    assert result.values() == [0, 1, 4, 9]
    assert all(item.attempts >= 2 for item in result.item_results())
    assert not parallel_map(lambda _: until_asked(), [0], task_timeout=SHORT, retry=Retry(attempts=3), **place).ok


def test_no_other_thread_takes_the_place_of_a_late_one() -> None:
    inside: set[int] = set()
    most: list[int] = []

    def work(n: int) -> None:
        inside.add(n)
        most.append(len(inside))
        until_asked()
        inside.discard(n)

    assert len(parallel_map(work, range(8), workers=3, task_timeout=SHORT).failures()) == 8
    assert max(most) <= 3


@pytest.fixture
def looked() -> Iterator[threading.Event]:
    """Set once somebody has asked where a thread is."""
    event = threading.Event()

    def stack_of(ident: int) -> str:
        text = _threads.stack_of(ident)
        event.set()
        return text

    _core.set_threads(_threads.start, stack_of)
    yield event
    _core.set_threads(_threads.start, _threads.stack_of)


@pytest.mark.parametrize("on_loop", [False, True])
def test_the_stack_says_where_it_was_at_its_limit(looked: threading.Event, on_loop: bool) -> None:
    def wait_for_something(_: int) -> None:
        assert looked.wait(PATIENCE)
        until_asked()

    if on_loop:
        result = run(lambda: async_parallel_map(wait_for_something, [0], executor="thread", task_timeout=SHORT))
    else:
        result = parallel_map(wait_for_something, [0], executor="thread", workers=2, task_timeout=SHORT)
    ((_, error),) = result.failures()
    assert isinstance(error, TaskTimeout)
    assert "wait_for_something" in error.stack
    assert "most recent call" not in error.stack
    assert error.stack.splitlines()[-1].strip().startswith(f'File "{__file__}"')
    assert error.stack.rstrip() in str(error)


def test_streams_and_callbacks_hear_of_it() -> None:
    seen: list[events.Event] = []
    stream = parallel_iter(
        lambda _: until_asked(), range(3), workers=2, task_timeout=SHORT, on_event=seen.append, ordered=True
    )
    assert [type(item.error) for item in stream] == [TaskTimeout] * 3
    late = [event for event in seen if isinstance(event, events.TaskTimedOut)]
    assert sorted(event.index for event in late) == [0, 1, 2]
    assert {event.limit for event in late} == {SHORT}


def test_a_run_that_is_left_has_asked_its_tasks() -> None:
    asked = threading.Event()

    def work(_: int) -> None:
        until_asked()
        asked.set()

    assert parallel_map(work, [0, 1], workers=2, timeout=SHORT).status is RunStatus.TIMED_OUT
    assert asked.wait(PATIENCE)


@here
def test_a_stopped_run_has_asked_its_tasks(place: Place) -> None:
    token = StopToken()

    def work(n: int) -> int:
        if n == 0:
            token.stop()
        if place["executor"] == "thread":  # in order nobody sees it before the task has ended
            until_asked()
        return n

    result = parallel_map(work, range(2), stop=token, **place)
    assert result.status is RunStatus.CANCELLED
    assert result.successes()[0] == (0, 0)


def test_worker_processes_can_ask_too() -> None:
    def work(_: int) -> bool:
        return stop_requested()

    assert parallel_map(work, [0], executor="process", workers=1, task_timeout=PATIENCE).values() == [False]


def test_outside_of_tasks_nobody_asks() -> None:
    assert stop_requested() is False
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(stop_requested).result() is False
