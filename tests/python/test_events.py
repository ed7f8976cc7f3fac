"""on_event=: what a run tells while it goes on. No test looks at how long anything took."""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from typing import Literal

import pytest

import centimane
from centimane import RateLimit, Retry, RunStatus, events, parallel, parallel_iter, parallel_map
from centimane.events import AttemptEnded, Event, RetryScheduled, RunBegun, RunEnded


def increment(n: int) -> int:
    return n + 1


def of(kind: type[Event], seen: list[Event]) -> list[Event]:
    return [event for event in seen if type(event) is kind]


def test_each_attempt_between_begin_and_end(executor: str) -> None:
    seen: list[Event] = []
    threads: set[int] = set()

    def hook(event: Event) -> None:
        seen.append(event)
        threads.add(threading.get_ident())

    result = parallel_map(increment, range(100), executor=executor, workers=2, on_event=hook)
    assert result.ok
    assert threads == {threading.get_ident()}
    assert isinstance(seen[0], RunBegun)
    assert isinstance(seen[-1], RunEnded)
    assert seen[-1].status is RunStatus.COMPLETED
    attempts = [event for event in seen if isinstance(event, AttemptEnded)]
    assert sorted(event.index for event in attempts) == list(range(100))
    for event in attempts:
        assert (event.count, event.attempt, event.outcome, event.final) == (1, 1, "value", True)
        assert event.worker >= 0
        assert seen[0].at <= event.began <= event.at <= seen[-1].at
        assert event.running >= 0
    assert len(of(RunEnded, seen)) == len(of(RunBegun, seen)) == 1
    assert bool(of(events.WorkerStarted, seen)) == (executor == "process")


def test_nothing_is_told_by_default(executor: str) -> None:
    assert parallel_map(increment, range(3), executor=executor, workers=2, on_event=None).ok


def test_retries(executor: str) -> None:
    def fails(n: int) -> int:
        if n == 1:
            raise ConnectionError
        return n

    seen: list[Event] = []
    retry = Retry(attempts=3, backoff=0.0, on=(ConnectionError,))
    parallel_map(fails, range(3), executor=executor, workers=2, retry=retry, on_event=seen.append)
    tries = [(e.attempt, e.outcome, e.final) for e in seen if isinstance(e, AttemptEnded) and e.index == 1]
    assert tries == [(1, "error", False), (2, "error", False), (3, "error", True)]
    scheduled = [e for e in seen if isinstance(e, RetryScheduled)]
    assert [(e.index, e.attempt) for e in scheduled] == [(1, 2), (1, 3)]
    assert all(e.not_before >= seen[0].at for e in scheduled)


def test_a_wait_that_an_error_asks_for_pauses_the_limiter(executor: str) -> None:
    def throttled(n: int) -> int:
        if n == 0:
            raise ConnectionError
        return n

    seen: list[Event] = []
    retry = Retry(attempts=2, backoff=0.0, on=(ConnectionError,), wait_from=lambda _: 0.001)
    parallel_map(
        throttled,
        range(2),
        executor=executor,
        workers=2,
        retry=retry,
        rate_limit=RateLimit(10_000),
        on_event=seen.append,
    )
    assert of(events.LimiterPaused, seen)


def test_deaths_timeouts_and_successors() -> None:
    def bad(n: int) -> int:
        if n == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        while n == 2:
            pass
        return n

    seen: list[Event] = []
    parallel_map(bad, range(4), executor="process", workers=1, task_timeout=2, on_event=seen.append)
    death = next(e for e in seen if isinstance(e, events.WorkerDied))
    assert death.signal == signal.SIGKILL
    late = next(e for e in seen if isinstance(e, events.TaskTimedOut))
    assert (late.index, late.attempt, late.limit) == (2, 1, 2.0)
    outcomes = {e.index: e.outcome for e in seen if isinstance(e, AttemptEnded)}
    assert outcomes == {0: "value", 1: "worker died", 2: "timed out", 3: "value"}
    started = [e for e in seen if isinstance(e, events.WorkerStarted)]
    assert len({e.pid for e in started}) == len(started) >= 2
    assert death.pid in {e.pid for e in started}


def test_recycling() -> None:
    seen: list[Event] = []
    stream = parallel_iter(
        increment, itertools.count(), executor="process", workers=1, max_tasks_per_worker=5, on_event=seen.append
    )
    for _ in stream:  # it has left when it has left: its successor works on meanwhile
        if of(events.WorkerRecycled, seen):
            break
    stream.close()
    assert not of(events.WorkerDied, seen)


def test_chunks() -> None:
    seen: list[Event] = []
    parallel_map(increment, range(25), executor="process", workers=1, chunksize=10, on_event=seen.append)
    assert sorted((e.index, e.count) for e in seen if isinstance(e, AttemptEnded)) == [(0, 10), (10, 10), (20, 5)]


def test_a_stream_left_early(executor: str) -> None:
    seen: list[Event] = []
    stream = parallel_iter(increment, range(10_000), executor=executor, workers=2, on_event=seen.append)
    assert seen == []
    next(stream)
    stream.close()
    assert isinstance(seen[0], RunBegun)
    assert isinstance(seen[-1], RunEnded)
    assert seen[-1].status is RunStatus.CANCELLED


@pytest.mark.parametrize("kind", [RunBegun, AttemptEnded])
def test_an_exception_ends_the_run(executor: str, kind: type[Event]) -> None:
    told: list[Event] = []

    def hook(event: Event) -> None:
        told.append(event)
        if isinstance(event, kind):
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        parallel_map(increment, range(10_000), executor=executor, workers=2, on_event=hook)
    assert len(of(kind, told)) == 1, "it is not called again but for the run's end"


@pytest.mark.parametrize("bad", [1, "print", []])
def test_a_hook_must_be_callable(bad: object) -> None:
    for run in (parallel_map, parallel_iter):
        call: Callable[..., object] = run
        with pytest.raises(TypeError, match="on_event must be callable"):
            call(increment, [1], on_event=bad)


def test_events_are_plain_values() -> None:
    event = events.WorkerDied(1.5, 3, 4711, 9, -1)
    assert (event.at, event.worker, event.pid, event.signal, event.exit_code) == (1.5, 3, 4711, 9, -1)
    assert pickle.loads(pickle.dumps(event)) == event
    assert hash(event) == hash(events.WorkerDied(1.5, 3, 4711, 9, -1))
    assert event != events.WorkerRecycled(1.5, 3, 4711)
    assert repr(event) == "WorkerDied(at=1.5, worker=3, pid=4711, signal=9, exit_code=-1)"
    with pytest.raises(AttributeError, match="cannot be changed"):
        event.pid = 3
    with pytest.raises(AttributeError, match="cannot be changed"):
        del event.pid
    assert isinstance(event, Event)
    assert centimane.events is events


def test_the_decorator_takes_it() -> None:
    seen: list[Event] = []
    parallel(on_event=seen.append, workers=2)(increment).map(range(3))
    assert len(of(AttemptEnded, seen)) == 3


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_a_run_that_times_out_says_so(kind: Literal["thread", "process"]) -> None:
    release = threading.Event()

    def wait(_: int) -> None:
        release.wait(60)

    seen: list[Event] = []
    work: Callable[[int], object] = wait if kind == "thread" else time.sleep
    try:
        result = parallel_map(work, [60] * 4, executor=kind, workers=2, timeout=0.2, on_event=seen.append)
    finally:
        release.set()
    assert result.timed_out
    assert isinstance(seen[-1], RunEnded)
    assert seen[-1].status is RunStatus.TIMED_OUT
