"""What each option of a run does, shown in any form: with the option, and without it.

Nothing here is said about time: what must go on at once meets at a barrier, what must wait waits for an event.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from forms import Form, Outcome
from loops import cancel_one, run
from tasks import boom, lengthen, made_ready, make_ready, process_id, same, tell_and_wait, thread_id

from centimane import (
    Aborted,
    CheckpointError,
    PayloadError,
    RateLimit,
    Retry,
    StopToken,
    TaskTimeout,
    TimedOut,
    async_parallel_map,
    events,
    stop_requested,
)

#: Long enough for any machine; nobody waits for it unless something is wrong.
LONG = 60.0
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="nothing")
CALLS: list[int] = []


def noted(n: int) -> int:
    CALLS.append(n)
    return n * n


def fn(form: Form, tmp: Path) -> None:
    assert form(lambda n: n + 1, [1, 2]).values == [2, 3]


def items(form: Form, tmp: Path) -> None:
    assert form(same, [1, 2]).values == [1, 2]
    assert form(same, (i for i in range(5))).values == [0, 1, 2, 3, 4]
    assert form(same, range(0)).values == []


# ---- where it runs


def executor(form: Form, tmp: Path) -> None:
    here = threading.get_ident()
    assert form(process_id, [0], executor="process").values != [os.getpid()]
    assert form(thread_id, [0], executor="thread", workers=2).values != [here]
    at_home = form(thread_id, [0]).values == [here]
    assert at_home == form.on_loop  # threads are the default, and on a loop its own tasks


class Gauge:
    """How many are at work at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def enter(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def leave(self) -> None:
        with self.lock:
            self.now -= 1

    def task(self, _: object) -> None:
        self.enter()
        time.sleep(0)
        self.leave()

    async def coroutine(self, _: object) -> None:
        self.enter()
        await asyncio.sleep(0)
        self.leave()


def meet(form: Form, n: int, **options: Any) -> None:
    """Ends only if n are at work at once."""
    barrier = threading.Barrier(n)
    assert form(lambda _: barrier.wait(LONG) >= 0, range(n), executor="thread", **options).values == [True] * n


def workers(form: Form, tmp: Path) -> None:
    meet(form, 3, workers=3)
    meet(form, 4)
    gauge = Gauge()
    form(gauge.task, range(50), executor="thread", workers=2)
    assert gauge.most <= 2
    assert len(set(form(process_id, range(20), executor="process", workers=1).values)) == 1
    if form.on_loop:
        concurrency_of(form, "workers")


def concurrency_of(form: Form, name: str) -> None:
    gauge = Gauge()
    form(gauge.coroutine, range(20), **{name: 2})
    assert gauge.most == 2
    gauge = Gauge()
    form(gauge.coroutine, range(20))
    assert gauge.most == 4


def concurrency(form: Form, tmp: Path) -> None:
    concurrency_of(form, "concurrency")
    meet(form, 3, concurrency=3)


def sequential(form: Form, tmp: Path) -> None:
    here = (os.getpid(), threading.get_ident())
    assert form(lambda _: (os.getpid(), threading.get_ident()), [0], sequential=True, executor="process").values == [
        here
    ]
    assert form(process_id, [0], executor="process").values != [os.getpid()]


def start(form: Form, tmp: Path) -> None:
    numbers = iter([7])
    taken = (number for number in numbers)  # cannot be pickled

    def take(_: object) -> int:
        return next(taken)

    assert form(take, [0], executor="process", workers=1, start="fork").values == [7]
    with pytest.raises(PayloadError):
        raise_what_came(form(take, [0], executor="process", workers=1))
    gc.collect()  # asyncio.run's own frame holds the task whose error came through it, and that our pool
    assert form(same, [7], executor="process", workers=1, start="zygote").values == [7]


def raise_what_came(outcome: Outcome) -> None:
    if outcome.raised is not None:
        raise outcome.raised


def max_tasks_per_worker(form: Form, tmp: Path) -> None:
    assert len(set(form(process_id, range(3), executor="process", workers=1, max_tasks_per_worker=1).values)) == 3
    assert len(set(form(process_id, range(3), executor="process", workers=1).values)) == 1


def worker_init(form: Form, tmp: Path) -> None:
    how: dict[str, Any] = {"executor": "process", "workers": 1}
    assert form(made_ready, [0, 1], worker_init=make_ready, **how).values == ["ready", "ready"]
    assert form(made_ready, [0], **how).values == [None]


def worker_init_args(form: Form, tmp: Path) -> None:
    how: dict[str, Any] = {"executor": "process", "workers": 1, "worker_init": make_ready}
    assert form(made_ready, [0], worker_init_args=("with this",), **how).values == ["with this"]
    assert form(made_ready, [0], **how).values == ["ready"]


def chunksize(form: Form, tmp: Path) -> None:
    same_list: list[int] = []
    how: dict[str, Any] = {"executor": "process", "workers": 1}
    # A chunk is one pickle, in which one list stays one list.
    assert form(lengthen, [same_list] * 4, chunksize=2, **how).values == [1, 2, 1, 2]
    assert form(lengthen, [same_list] * 4, **how).values == [1, 1, 1, 1]


def context(form: Form, tmp: Path) -> None:
    def look(_: object) -> str:
        return VARIABLE.get()

    def inside() -> None:
        VARIABLE.set("something")
        assert form(look, [0], executor="process", workers=1, context=[VARIABLE]).values == ["something"]
        assert form(look, [0], executor="process", workers=1).values == ["nothing"]

    contextvars.copy_context().run(inside)


# ---- how much at once


class Source:
    """An input that knows how far it is read ahead of the work."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.lock = threading.Lock()
        self.pulled = self.done = self.ahead = 0
        self.exhausted = threading.Event()

    def read(self) -> Iterator[bytes]:
        for _ in range(self.n):
            with self.lock:
                self.pulled += 1
                self.ahead = max(self.ahead, self.pulled - self.done)
            yield bytes(1000)
        self.exhausted.set()

    def work(self, _: bytes) -> bool:
        with self.lock:
            self.done += 1
        return True

    def work_when_all_is_read(self, _: bytes) -> bool:
        return self.exhausted.wait(LONG)


def windows(form: Form, at_most: int, **options: Any) -> None:
    source = Source(40)
    assert form(source.work, source.read(), executor="thread", workers=2, **options).values == [True] * 40
    assert source.ahead <= at_most
    # Nothing said, more is read ahead than any of the tests' windows would allow.
    source = Source(40)
    assert all(form(source.work_when_all_is_read, source.read(), executor="thread", workers=2).values)


def window_size(form: Form, tmp: Path) -> None:
    windows(form, 3, window_size=3)


def batch_size(form: Form, tmp: Path) -> None:
    windows(form, 3, batch_size=3)


def window_bytes(form: Form, tmp: Path) -> None:
    windows(form, 5, window_bytes=3000)


def ordered(form: Form, tmp: Path) -> None:
    def wait_for_the_other(n: int) -> int:
        if n == 0:
            assert second_ran.wait(LONG)
        else:
            second_ran.set()
        return n

    second_ran = threading.Event()
    how: dict[str, Any] = {"executor": "thread", "workers": 2}
    assert [r.index for r in form(wait_for_the_other, [0, 1], ordered=True, **how).results] == [0, 1]

    told = threading.Event()

    def wait_for_the_consumer(n: int) -> int:
        if n == 0:
            assert told.wait(LONG)
        return n

    options: dict[str, Any]
    for options in ({"ordered": False}, {}):
        told.clear()
        # The second outcome is told while the first is not there: progress is told of it.
        outcome = form(wait_for_the_consumer, [0, 1], on_progress=lambda *_: told.set(), **how, **options)
        assert [r.index for r in outcome.results] == [1, 0]


# ---- times and policies


def timeout(form: Form, tmp: Path) -> None:
    go = threading.Event()
    ran: list[object] = []

    def wait(n: int) -> bool:
        ran.append(n)
        return go.wait(LONG)

    outcome = form(wait, range(50), executor="thread", workers=2, timeout=0.05)
    go.set()
    assert len(ran) <= 2
    if form.stream:
        assert isinstance(outcome.raised, TimedOut)
    else:
        assert {type(error) for error in outcome.errors} == {TimedOut}
    assert form(same, [1], timeout=LONG).values == [1]


def task_timeout(form: Form, tmp: Path) -> None:
    hung = form(lambda _: time.sleep(LONG), [0], executor="process", workers=1, task_timeout=0.05)
    assert [type(error) for error in hung.errors] == [TaskTimeout]

    def obey(_: object) -> None:
        while not stop_requested():
            time.sleep(0.001)

    assert [type(error) for error in form(obey, [0], executor="thread", task_timeout=0.01).errors] == [TaskTimeout]

    async def wait(_: object) -> None:
        await asyncio.sleep(LONG)

    if form.on_loop:
        assert [type(error) for error in form(wait, [0], task_timeout=0.01).errors] == [TaskTimeout]


def rate_limit(form: Form, tmp: Path) -> None:
    for limit, started in ((RateLimit(1, "hour", burst=2), 2), (None, 9)):
        stop, begun = StopToken(), list[int]()

        def work(n: int, stop: StopToken = stop, begun: list[int] = begun, of: int = started) -> None:
            begun.append(n)
            if len(begun) == of:  # the next one's token comes in an hour
                stop.stop()

        form(work, range(9), workers=1, rate_limit=limit, stop=stop)
        assert len(begun) == started


def retry(form: Form, tmp: Path) -> None:
    tried: list[int] = []

    def second_time(n: int) -> int:
        tried.append(n)
        if len(tried) % 2:
            raise ConnectionError(n)
        return n

    again = form(second_time, [5], retry=Retry(2, backoff=0.0, jitter=False)).results
    assert [(r.value, r.attempts) for r in again] == [(5, 2)]
    once = form(second_time, [5])
    assert [type(error) for error in once.errors] == [ConnectionError]
    assert once.results[0].attempts == 1


def max_errors(form: Form, tmp: Path) -> None:
    kinds = [type(error) for error in form(boom, range(6), workers=1, max_errors=2).errors]
    assert kinds[:2] == [ValueError, ValueError]
    assert set(kinds[2:]) <= {Aborted}
    assert [type(error) for error in form(boom, range(6), workers=1).errors] == [ValueError] * 6


def stop(form: Form, tmp: Path) -> None:
    ran: list[int] = []
    stopped = StopToken()
    stopped.stop()
    form(ran.append, range(5), stop=stopped)
    assert ran == []
    form(ran.append, range(5), stop=StopToken())
    form(ran.append, range(5))
    assert sorted(ran) == sorted([*range(5), *range(5)])


def on_cancel(form: Form, tmp: Path) -> None:
    def cancel(folder: Path, **options: Any) -> tuple[int, list[int]]:
        """The worker whose task was cancelled, and who does the next task."""
        folder.mkdir()
        path = str(folder / "pipe")
        os.mkfifo(path + ".out")
        os.mkfifo(path + ".in")
        how: dict[str, Any] = {"executor": "process", "workers": 1}
        pid = cancel_one(lambda: form.awaitable(tell_and_wait, [path], **how, **options), path)
        if options == {"on_cancel": "release"}:
            with open(path + ".in", "w") as go:  # it still waits there, or this would
                go.write("go")
        next_one: Any = run(lambda: async_parallel_map(process_id, [0], **how))
        assert Path(path + ".done").exists() == (options == {"on_cancel": "release"})
        return pid, list(next_one)

    cancel(tmp / "default")
    cancel(tmp / "kill", on_cancel="kill")
    pid, next_one = cancel(tmp / "release", on_cancel="release")
    assert next_one == [pid]


# ---- who is told


def on_progress(form: Form, tmp: Path) -> None:
    told: list[tuple[int, int]] = []
    form(same, [1, 2, 3], on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (3, 3)


def on_result(form: Form, tmp: Path) -> None:
    told: list[int] = []
    form(same, [1, 2, 3], on_result=lambda result: told.append(result.index))
    assert sorted(told) == [0, 1, 2]


def progress(form: Form, tmp: Path) -> None:
    def shown(**options: Any) -> str:
        with contextlib.redirect_stderr(io.StringIO()) as told:
            form(same, [1, 2, 3], **options)
        return told.getvalue()

    try:
        import tqdm
    except ImportError:
        quiet: Any = contextlib.nullcontext()
    else:
        quiet = mock.patch.object(tqdm.tqdm, "monitor_interval", 0)  # its own thread stays for good
    with quiet:
        assert "3/3" in shown(progress=True)
        assert shown() == shown(progress=False) == ""


def insights(form: Form, tmp: Path) -> None:
    for options, detailed in (({"insights": True}, True), ({}, False)):
        told = form(same, [1, 2], **options).insights
        assert told is not None
        assert (told.detailed, told.items) == (detailed, 2)


def trace(form: Form, tmp: Path) -> None:
    path = tmp / "run.json"
    form(same, [1, 2], trace=path)
    assert json.loads(path.read_text())
    path.unlink()
    form(same, [1, 2])
    assert not path.exists()


def on_event(form: Form, tmp: Path) -> None:
    told: list[events.Event] = []
    form(same, [1, 2], on_event=told.append)
    assert isinstance(told[0], events.RunBegun)
    assert isinstance(told[-1], events.RunEnded)


# ---- what is kept


def ran(form: Form, n: list[int], **options: Any) -> list[int]:
    """Which items a run had to run."""
    CALLS.clear()
    assert form(noted, n, **options).values == [i * i for i in n]
    return sorted(CALLS)


def checkpoint(form: Form, tmp: Path) -> None:
    how = {"checkpoint": tmp / "work.ckpt", "checkpoint_version": 1}
    assert ran(form, [1, 2], **how) == [1, 2]
    assert ran(form, [1, 2, 3], **how) == [3]
    assert ran(form, [1, 2]) == [1, 2]


def checkpoint_version(form: Form, tmp: Path) -> None:
    file = tmp / "work.ckpt"
    assert ran(form, [1], checkpoint=file, checkpoint_version="one") == [1]
    assert ran(form, [1], checkpoint=file, checkpoint_version="one") == []
    with pytest.raises(CheckpointError, match="checkpoint_version="):
        form(noted, [1], checkpoint=file, checkpoint_version="two")
    with pytest.raises(CheckpointError, match="checkpoint_version="):
        form(noted, [1], checkpoint=file)


def checkpoint_key(form: Form, tmp: Path) -> None:
    how = {"checkpoint": tmp / "keys.ckpt", "checkpoint_key": str, "checkpoint_version": 1}
    assert ran(form, [1, 2], **how) == [1, 2]
    assert ran(form, [2, 3, 1], **how) == [3]
    by_position = {"checkpoint": tmp / "positions.ckpt", "checkpoint_version": 1}
    assert ran(form, [1, 2], **by_position) == [1, 2]
    assert ran(form, [2, 1], **by_position) == [1, 2]


def item_key(form: Form, tmp: Path) -> None:
    assert [r.key for r in form(same, [1, 2], item_key=lambda n: f"item {n}").by_index] == ["item 1", "item 2"]
    assert [r.key for r in form(same, [1, 2]).by_index] == [None, None]


Effect = Callable[[Form, Path], None]
