"""What each parameter of everything public beside runs does, with it and without it."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tasks import lengthen, made_ready, make_ready, process_id, same, unmake_ready

import centimane
from centimane import CheckpointError, Limiter, RateLimit, Retry, TaskTimeout, WorkerDied
from centimane.futures import BrokenProcessPool, ProcessPoolExecutor, ThreadPoolExecutor

LONG = 60.0


# ---- RateLimit and Limiter


def rate_count(_: Path) -> None:
    assert RateLimit(4).between == 0.25


def rate_per(_: Path) -> None:
    assert (RateLimit(60, "minute").per_second, RateLimit(3600, "hour").per_second, RateLimit(5).per_second) == (
        1,
        1,
        5,
    )


def tokens_now(limiter: Limiter) -> int:
    """How many tokens are there without waiting. The rate is far too low for another one to come meanwhile."""
    return sum(limiter.wait(timeout=0) for _ in range(9))


def rate_burst(_: Path) -> None:
    assert tokens_now(Limiter(RateLimit(1, "hour", burst=3))) == 3
    assert tokens_now(Limiter(RateLimit(1, "hour"))) == 1


def limiter_rate(_: Path) -> None:
    assert Limiter(5).rate_limit == RateLimit(5)
    assert Limiter(RateLimit(1, "hour")).rate_limit == RateLimit(1, "hour")


def limiter_shared(folder: Path) -> None:
    one, other = (Limiter(RateLimit(1, "hour", burst=2), shared=folder / "limit") for _ in range(2))
    assert tokens_now(one) == 2
    assert tokens_now(other) == 0
    assert tokens_now(Limiter(RateLimit(1, "hour", burst=2))) == 2


def limiter_timeout(_: Path) -> None:
    limiter = Limiter(RateLimit(1, "hour"))
    assert limiter.wait()
    assert not limiter.wait(timeout=0.0)


def limiter_pause(_: Path) -> None:
    limiter = Limiter(1e9)
    limiter.pause(0)
    assert limiter.wait(timeout=0)
    limiter.pause(3600)
    assert not limiter.wait(timeout=1)


# ---- Retry


class Response:
    def __init__(self, status: int, wait: str = "") -> None:
        self.status_code = status
        self.headers = {"Retry-After": wait} if wait else {}


class HttpError(Exception):
    def __init__(self, status: int, wait: str = "") -> None:
        super().__init__(status)
        self.response = Response(status, wait)


def attempts_with(retry: Retry, error: Exception, times: int = 9) -> int:
    """How often a task is tried that fails so many times."""
    tried: list[int] = []

    def work(n: int) -> int:
        tried.append(n)
        if len(tried) <= times:
            raise error
        return n

    centimane.parallel_map(work, [1], workers=1, retry=retry)
    return len(tried)


NOW: dict[str, Any] = {"backoff": 0.0}


def retry_attempts(_: Path) -> None:
    assert attempts_with(Retry(5, **NOW), OSError()) == 5
    assert attempts_with(Retry(**NOW), OSError()) == 3


@dataclass(frozen=True)
class Wait:
    """A wait of which is known that it was at least and at most so long."""

    least: float
    most: float

    def is_of(self, seconds: float) -> bool:
        return self.least <= seconds + 1e-6 and seconds <= self.most + 1e-6


def waits_of(retry: Retry, error: Exception | None = None) -> list[Wait]:
    """The waits that a run of two retries is told of; it is stopped rather than waited for."""
    told: list[Wait] = []
    stop = centimane.StopToken()
    failed = [0.0]

    def hear(event: centimane.events.Event) -> None:
        if isinstance(event, centimane.events.RetryScheduled):
            # The engine's clock was read between the failure and the report.
            told.append(Wait(event.not_before - event.at, event.not_before - failed[0]))
            if told[-1].most > 0.1:
                stop.stop()

    def fail(_: int) -> None:
        failed[0] = time.monotonic()
        raise error or OSError

    centimane.parallel_map(fail, [1], workers=1, retry=retry, on_event=hear, stop=stop)
    return told


def first_wait(retry: Retry, error: Exception | None = None) -> Wait:
    return waits_of(retry, error)[0]


def retry_backoff(_: Path) -> None:
    assert first_wait(Retry(backoff=40.0, jitter=False)).is_of(40.0)
    assert first_wait(Retry(jitter=False)).is_of(1.0)
    one, two = waits_of(Retry(3, backoff=0.001, jitter=False))
    assert one.is_of(0.001)
    assert two.is_of(0.002)


def retry_max_delay(_: Path) -> None:
    assert first_wait(Retry(backoff=1000.0, max_delay=7.0, jitter=False)).is_of(7.0)
    assert first_wait(Retry(backoff=1000.0, jitter=False)).is_of(60.0)


def retry_jitter(_: Path) -> None:
    waits = [first_wait(Retry(backoff=500.0, max_delay=500.0)) for _ in range(6)]
    assert all(wait.most >= 250.0 and wait.least <= 500.0 for wait in waits)
    assert not all(wait.is_of(500.0) for wait in waits)


def retry_on(_: Path) -> None:
    assert attempts_with(Retry(on=OSError, **NOW), KeyError()) == 1
    assert attempts_with(Retry(on=(OSError, KeyError), **NOW), KeyError()) == 3
    assert attempts_with(Retry(**NOW), KeyError()) == 3


def retry_if(_: Path) -> None:
    assert attempts_with(Retry(retry_if=lambda error: error.errno == 7, **NOW), OSError(7, "")) == 3
    assert attempts_with(Retry(retry_if=lambda error: error.errno == 7, **NOW), OSError(8, "")) == 1


def retry_wait_from(_: Path) -> None:
    assert first_wait(Retry(wait_from=lambda _: 50.0, jitter=False)).is_of(50.0)
    assert first_wait(Retry(wait_from=lambda _: None, jitter=False)).is_of(1.0)


def retry_max_server_wait(_: Path) -> None:
    asks: Any = {"wait_from": lambda _: 601.0, "jitter": False}
    assert first_wait(Retry(max_server_wait=None, **asks)).is_of(601.0)
    assert first_wait(Retry(max_server_wait=5.0, **asks)).is_of(5.0)
    assert first_wait(Retry(**asks)).is_of(600.0)


def http_on(_: Path) -> None:
    assert attempts_with(Retry.for_http(on=HttpError, **NOW), HttpError(429)) == 3
    assert attempts_with(Retry.for_http(on=KeyError, **NOW), HttpError(429)) == 1


def http_statuses(_: Path) -> None:
    for status, tries in ((429, 3), (503, 3), (500, 1)):
        assert attempts_with(Retry.for_http(on=HttpError, **NOW), HttpError(status)) == tries
    assert attempts_with(Retry.for_http(on=HttpError, statuses={500}, **NOW), HttpError(500)) == 3


def http_response(_: Path) -> None:
    found = Retry.for_http(on=OSError, response=lambda _: Response(429, "30"), jitter=False)
    assert first_wait(found).is_of(30.0)
    assert first_wait(Retry.for_http(on=HttpError, jitter=False), HttpError(429, "20")).is_of(20.0)


def http_passes_on(_: Path) -> None:
    values: dict[str, Any] = {"attempts": 7, "backoff": 2.0, "max_delay": 9.0, "jitter": False, "max_server_wait": 5.0}
    made = Retry.for_http(on=HttpError, **values)
    assert {name: getattr(made, name) for name in values} == values


# ---- executors


def pool_workers(_: Path) -> None:
    with ProcessPoolExecutor(1) as executor:
        assert len(set(executor.map(process_id, range(8)))) == 1
    assert ProcessPoolExecutor()._max_workers == centimane.cpu_count()


def pool_context(_: Path) -> None:
    make_ready("inherited")
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as executor:
            assert executor.submit(made_ready, 0).result() == "inherited"
        for context in (None, multiprocessing.get_context("spawn")):
            with ProcessPoolExecutor(1, context) as executor:
                assert executor.submit(made_ready, 0).result() is None
    finally:
        unmake_ready()


def pool_initializer(_: Path) -> None:
    with ProcessPoolExecutor(1, initializer=make_ready) as executor:
        assert executor.submit(made_ready, 0).result() == "ready"
    with ProcessPoolExecutor(1) as executor:
        assert executor.submit(made_ready, 0).result() is None


def pool_initargs(_: Path) -> None:
    with ProcessPoolExecutor(1, initializer=make_ready, initargs=("with this",)) as executor:
        assert executor.submit(made_ready, 0).result() == "with this"


def pool_max_tasks(_: Path) -> None:
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as executor:
        assert len(set(executor.map(process_id, range(3)))) == 3


def pool_on_death(_: Path) -> None:
    with ProcessPoolExecutor(1) as executor:
        with pytest.raises(WorkerDied):
            executor.submit(os._exit, 3).result()
        assert executor.submit(same, 5).result() == 5
    with ProcessPoolExecutor(1, on_worker_death="break") as executor:
        with pytest.raises(BrokenProcessPool):
            executor.submit(os._exit, 3).result()
        with pytest.raises(BrokenProcessPool):
            executor.submit(same, 5)


def pool_timeout(_: Path) -> None:
    with ProcessPoolExecutor(1) as executor:
        with pytest.raises(TaskTimeout):
            executor.with_options(timeout=0.05).submit(time.sleep, LONG).result()
        assert executor.with_options().submit(same, 5).result() == 5


def pool_stop_running(folder: Path) -> None:
    def tell_and_hang(path: str) -> None:
        with open(path, "w"):
            time.sleep(LONG)

    with ProcessPoolExecutor(1) as executor:
        os.mkfifo(folder / "begun")
        future = executor.with_options(stop_running=True).submit(tell_and_hang, str(folder / "begun"))
        with open(folder / "begun") as begun:  # until it has
            assert future.cancel()
            assert begun.read() == ""  # it has let go


def both(effect: Callable[[Any], None]) -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    """An effect on both kinds of executors."""

    def on(kind: Callable[[int], Any]) -> Callable[[Path], None]:
        def show(_: Path) -> None:
            with kind(1) as executor:
                effect(executor)

        return show

    return on(ProcessPoolExecutor), on(ThreadPoolExecutor)


def map_plain(executor: Any) -> None:
    assert list(executor.map(pow, [2, 3], [4, 5, 6])) == [16, 243]


def map_timeout(executor: Any) -> None:
    go = executor.submit(time.sleep, 0.2)  # the only worker is busy
    with pytest.raises(TimeoutError):
        list(executor.map(same, [1], timeout=0.01))
    go.result()
    assert list(executor.map(same, [1])) == [1]


def map_chunksize(executor: Any) -> None:
    assert list(executor.map(same, range(7), chunksize=3)) == list(range(7))
    if isinstance(executor, ThreadPoolExecutor):
        return
    one: list[int] = []
    # What goes in one piece is one pickle, in which one list stays one list.
    assert list(executor.map(lengthen, [one] * 4, chunksize=2)) == [1, 2, 1, 2]
    assert list(executor.map(lengthen, [one] * 4)) == [1, 1, 1, 1]


def map_buffersize(executor: Any) -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for n in range(20):
            taken.append(n)
            yield n

    results = executor.map(same, numbers(), buffersize=3)
    assert len(taken) == 3
    assert next(results) == 0
    assert len(taken) == 4
    results.close()
    taken.clear()
    assert list(executor.map(same, numbers())) == list(taken) == list(range(20))


def shutdown_wait(kind: Callable[[int], Any]) -> Callable[[Path], None]:
    def show(folder: Path) -> None:
        path = str(folder / "go")
        os.mkfifo(path)
        executor = kind(1)
        future = executor.submit(lambda: open(path).close())
        executor.shutdown(wait=False)  # it comes back although the task runs
        assert not future.done()
        with open(path, "w"):
            future.result()
        executor.shutdown()

    return show


def shutdown_cancel(kind: Callable[[int], Any]) -> Callable[[Path], None]:
    def show(folder: Path) -> None:
        path = str(folder / "go")
        os.mkfifo(path)
        executor = kind(1)
        first, *others = [executor.submit(lambda: open(path).close()), *(executor.submit(same, n) for n in range(500))]
        executor.shutdown(wait=False, cancel_futures=True)
        assert others[-1].cancelled()
        with open(path, "w"):
            first.result()
        executor.shutdown()
        with kind(1) as executor:
            future = executor.submit(same, 5)
        assert future.result() == 5

    return show


def thread_workers(_: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert len(set(executor.map(lambda _: threading.get_ident(), range(8)))) == 1
    assert ThreadPoolExecutor()._max_workers == min(32, centimane.cpu_count() + 4)


def thread_prefix(_: Path) -> None:
    for prefix, begin in (("crunch", "crunch_"), ("", "ThreadPoolExecutor-")):
        with ThreadPoolExecutor(1, prefix) as executor:
            assert executor.submit(lambda: threading.current_thread().name).result().startswith(begin)


def thread_initializer(_: Path) -> None:
    ready: list[object] = []
    with ThreadPoolExecutor(1, initializer=ready.append, initargs=("with this",)) as executor:
        assert executor.submit(lambda: list(ready)).result() == ["with this"]
    with ThreadPoolExecutor(1, initializer=lambda: ready.append("plain")) as executor:
        assert executor.submit(lambda: ready[-1]).result() == "plain"


# ---- others


def info_path(folder: Path) -> None:
    centimane.parallel_map(same, [1, 2], checkpoint=folder / "a.ckpt", sequential=True)
    assert centimane.checkpoint_info(folder / "a.ckpt").completed == 2
    (folder / "b").write_text("something else")
    with pytest.raises(CheckpointError):
        centimane.checkpoint_info(folder / "b")


def array_shape(_: Path) -> None:
    assert centimane.SharedArray((2, 3)).shape == (2, 3)
    assert centimane.SharedArray(4).shape == (4,)


def array_dtype(_: Path) -> None:
    assert memoryview(centimane.SharedArray(1)).format == "d"
    assert memoryview(centimane.SharedArray(1, "int32")).format == "i"


def array_order(_: Path) -> None:
    assert memoryview(centimane.SharedArray((2, 3))).strides == (24, 8)
    assert memoryview(centimane.SharedArray((2, 3), order="F")).strides == (8, 16)


def array_source(_: Path) -> None:
    assert memoryview(centimane.SharedArray.from_array(b"abc")).tolist() == [97, 98, 99]


def share_object(_: Path) -> None:
    assert centimane.share({"a": 1}).get() == {"a": 1}
    assert isinstance(centimane.share(memoryview(b"abc")), centimane.SharedArray)
