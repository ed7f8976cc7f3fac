"""Rate limits, retries, error budgets and stop tokens, on every executor, decided by the engine and told to Python exactly."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import itertools
import os
import pickle
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import centimane
from centimane import (
    Aborted,
    Cancelled,
    Limiter,
    RateLimit,
    Retry,
    RunStatus,
    StopToken,
    TaskTimeout,
    WorkerDied,
    parallel_iter,
    parallel_map,
    parallel_starmap,
)

EXECUTORS = ("sequential", "thread", "process")
#: Retries at once: what is tested is what is tried again, not how long it waits.
AT_ONCE: dict[str, Any] = {"backoff": 0.0, "jitter": False}


class Flaky(Exception):
    """Goes away when tried again."""


def fails_until(folder: str, good: int) -> Callable[[int], int]:
    """A function whose item n fails until its attempt number ``good``; attempts are counted in files, for processes."""

    def work(n: int) -> int:
        for attempt in itertools.count(1):
            try:
                os.close(os.open(f"{folder}/{n}.{attempt}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            if attempt < good:
                raise Flaky(n, attempt)
            return n * 10
        raise AssertionError

    return work


def attempts_of(folder: Path, n: int) -> int:
    return len(list(folder.glob(f"{n}.*")))


# ---- retries


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_fails_is_tried_again_and_counted(executor: Any, tmp_path: Path) -> None:
    work = fails_until(str(tmp_path), 3)
    result = parallel_map(work, range(20), executor=executor, workers=2, retry=Retry(attempts=3, **AT_ONCE))
    assert result.values() == [n * 10 for n in range(20)]
    assert {r.attempts for r in result.item_results()} == {3}
    assert all(attempts_of(tmp_path, n) == 3 for n in range(20))
    assert pickle.loads(pickle.dumps(result)).item_results() == result.item_results()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_last_error_stands(executor: Any, tmp_path: Path) -> None:
    work = fails_until(str(tmp_path), 9)
    told: list[tuple[int, int]] = []
    result = parallel_map(
        work,
        range(5),
        executor=executor,
        workers=2,
        retry=Retry(attempts=4, **AT_ONCE),
        on_result=lambda r: told.append((r.index, r.attempts)),
    )
    assert [error.args for _, error in result.failures()] == [(n, 4) for n in range(5)]
    assert sorted(told) == [(n, 4) for n in range(5)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_stream_tells_attempts(executor: Any, tmp_path: Path) -> None:
    work = fails_until(str(tmp_path), 2)
    stream = parallel_iter(
        work, iter(range(50)), executor=executor, workers=2, ordered=True, window_size=5, retry=Retry(2, **AT_ONCE)
    )
    assert [(r.index, r.value, r.attempts) for r in stream] == [(n, n * 10, 2) for n in range(50)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_only_what_the_policy_names(executor: Any, tmp_path: Path) -> None:
    work = fails_until(str(tmp_path), 2)
    by_class = parallel_map(work, [1], executor=executor, workers=2, retry=Retry(on=(KeyError,), **AT_ONCE))
    assert isinstance(by_class.failures()[0][1], Flaky)
    assert attempts_of(tmp_path, 1) == 1
    by_word = parallel_map(
        work, [2, 3], executor=executor, workers=2, retry=Retry(on=Flaky, retry_if=lambda e: e.args[0] == 3, **AT_ONCE)
    )
    assert [i for i, _ in by_word.failures()] == [0]
    assert (attempts_of(tmp_path, 2), attempts_of(tmp_path, 3)) == (1, 2)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_predicate_that_raises_is_the_items_error(executor: Any, tmp_path: Path) -> None:
    work = fails_until(str(tmp_path), 2)

    def wrong(error: Exception) -> bool:
        raise LookupError("no such field")

    for policy in (Retry(retry_if=wrong, **AT_ONCE), Retry(wait_from=wrong, **AT_ONCE)):
        (tmp_path / "7.1").unlink(missing_ok=True)
        error = parallel_map(work, [7], executor=executor, workers=2, retry=policy).failures()[0][1]
        assert isinstance(error, LookupError)
        assert isinstance(error.__context__, Flaky)
        assert attempts_of(tmp_path, 7) == 1


def test_deaths_and_timeouts_are_tried_again_if_named(tmp_path: Path) -> None:
    def dies_once(n: int) -> int:
        try:
            os.close(os.open(f"{tmp_path}/dead", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return n
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def run(**retry: Any) -> Any:
        (tmp_path / "dead").unlink(missing_ok=True)
        return parallel_map(dies_once, [5], executor="process", workers=2, retry=Retry(**retry, **AT_ONCE))

    assert isinstance(run().failures()[0][1], WorkerDied)
    assert isinstance(run(on=Exception).failures()[0][1], WorkerDied)
    assert run(on=(WorkerDied, ValueError)).values() == [5]

    def hangs_once(n: int) -> int:
        try:
            os.close(os.open(f"{tmp_path}/hung", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return n
        threading.Event().wait()
        raise AssertionError

    for on, values in (((Flaky,), None), ((TaskTimeout,), [6]), ((TimeoutError,), [6])):
        (tmp_path / "hung").unlink(missing_ok=True)
        result = parallel_map(
            hangs_once, [6], executor="process", workers=2, task_timeout=0.3, retry=Retry(on=on, **AT_ONCE)
        )
        assert (result.values() if result.ok else None) == values


def test_every_attempt_that_dies_is_poison() -> None:
    result = parallel_map(
        lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == 1 else n,
        range(4),
        executor="process",
        workers=2,
        retry=Retry(attempts=3, on=WorkerDied, **AT_ONCE),
    )
    [(index, error)] = result.failures()
    assert index == 1
    assert isinstance(error, WorkerDied)
    assert result.item_results()[1].attempts == 3


def test_starmap_retries_too(tmp_path: Path) -> None:
    work = fails_until(str(tmp_path), 2)
    result = parallel_starmap(lambda a, b: work(a) + b, [(1, 2), (3, 4)], workers=2, retry=Retry(2, **AT_ONCE))
    assert result.values() == [12, 34]


class Throttled(Exception):
    """As HTTP clients raise it."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__(status)
        self.status_code = status
        self.headers = headers


def test_http_policies_follow_the_server() -> None:
    retry = Retry.for_http(on=(Throttled, ConnectionError))
    assert retry.judge(Throttled(429, {"Retry-After": "7"})) == 7.0
    assert retry.judge(Throttled(503, {"retry-after": "0.5"})) == 0.5
    assert retry.judge(Throttled(429, {})) == 0.0
    for nonsense in ("nan", "inf", "-1", "soon", ""):
        assert retry.judge(Throttled(429, {"Retry-After": nonsense})) == 0.0
    assert retry.judge(Throttled(404, {"Retry-After": "7"})) is None
    assert retry.judge(ConnectionError()) == 0.0
    assert retry.judge(ValueError()) is None
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    wait = retry.judge(Throttled(429, {"Retry-After": email.utils.format_datetime(later, usegmt=True)}))
    assert wait is not None
    assert 0 < wait <= 3600
    assert retry.judge(Throttled(429, {"Retry-After": "Fri, 10 Jul 2020 08:00:00 GMT"})) == 0.0
    held = ValueError("outer")
    held.response = Throttled(429, {"Retry-After": "3"})  # type: ignore[attr-defined]
    assert Retry.for_http(on=ValueError).judge(held) == 3.0
    assert pickle.loads(pickle.dumps(retry)) == retry


def test_a_server_that_asks_to_wait_holds_back_the_limiter(tmp_path: Path) -> None:
    limiter = Limiter(1_000_000)
    work = fails_until(str(tmp_path), 2)
    token = StopToken()

    def ask(error: Exception) -> float:
        token.stop()
        return 1000.0

    result = parallel_map(work, [1], rate_limit=limiter, retry=Retry(wait_from=ask, **AT_ONCE), stop=token)
    assert result.status is RunStatus.CANCELLED
    assert not limiter.wait(timeout=500.0)


# ---- rate limits


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_start_takes_a_token(executor: Any, tmp_path: Path) -> None:
    """The budget is one token an hour after a burst: exactly the burst starts, and retries are among it."""
    token = StopToken()
    work = fails_until(str(tmp_path), 2)
    limiter = Limiter(RateLimit(1, "hour", burst=7))
    ended: list[str] = []

    def an_attempt_ended(how: str) -> bool:
        ended.append(how)
        if len(ended) == 7:
            token.stop()
        return True

    result = parallel_map(
        work,
        range(10),
        executor=executor,
        workers=2,
        rate_limit=limiter,
        retry=Retry(2, retry_if=lambda error: an_attempt_ended("failed"), **AT_ONCE),
        on_result=lambda r: an_attempt_ended("value") if r.ok else None,
        stop=token,
    )
    assert result.status is RunStatus.CANCELLED
    assert len(list(tmp_path.iterdir())) == 7
    assert len(ended) == 7
    assert len(result.successes()) == ended.count("value")


def test_one_budget_for_many_runs() -> None:
    limiter = Limiter(RateLimit(1, "hour", burst=20))
    ran: list[int] = []
    for _ in range(2):
        assert parallel_map(ran.append, range(10), workers=3, rate_limit=limiter).ok
    assert not limiter.wait(timeout=0)
    assert len(ran) == 20


def test_quick_items_draw_as_many_tokens_as_there_are_and_no_more() -> None:
    """Hands draw for items that wait for them; retries draw as well, and what finds no token is not run."""
    limiter = Limiter(RateLimit(1, "hour", burst=3000))
    token = StopToken()
    starts: list[int] = []
    failed: set[int] = set()
    ended: list[None] = []

    def work(i: int) -> int:
        starts.append(i)
        if i % 3 == 0 and i not in failed:
            failed.add(i)
            raise OSError(i)
        return i

    def an_attempt_ended(_: object) -> bool:
        ended.append(None)
        if len(ended) == 3000:
            token.stop()
        return True

    result = parallel_map(
        work,
        range(4000),
        workers=3,
        rate_limit=limiter,
        retry=Retry(2, retry_if=an_attempt_ended, **AT_ONCE),
        on_result=lambda r: an_attempt_ended(r) if r.ok else None,
        stop=token,
    )
    assert result.status is RunStatus.CANCELLED
    assert len(starts) == len(ended) == 3000
    assert len(result.successes()) == 3000 - len(failed)


def test_tokens_are_exact_under_contention() -> None:
    limiter = Limiter(RateLimit(1, "hour", burst=500))
    got: list[int] = []

    def draw() -> None:
        while limiter.wait(timeout=0):
            got.append(1)

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 500


def test_pause_and_event_loops() -> None:
    limiter = Limiter(RateLimit(1000, burst=3))
    asyncio.run(limiter.wait_async())
    limiter.pause(3600)
    assert not limiter.wait(timeout=1)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(limiter.wait_async(), 0.01))


def test_a_number_is_a_rate_a_second() -> None:
    assert parallel_map(abs, range(3), rate_limit=1e6).values() == [0, 1, 2]
    assert parallel_map(abs, range(3), rate_limit=1e6, executor="process", workers=2).values() == [0, 1, 2]


# ---- the error budget


@pytest.mark.parametrize("executor", EXECUTORS)
def test_max_errors_aborts(executor: Any) -> None:
    def work(n: int) -> int:
        if n % 2:
            raise Flaky(n)
        return n

    result = parallel_map(work, iter(range(100_000)), executor=executor, workers=2, window_size=10, max_errors=4)
    assert result.status is RunStatus.ABORTED
    assert result.aborted
    assert not result.ok
    failed = [e for _, e in result.failures() if isinstance(e, Flaky)]
    assert 4 <= len(failed) <= 4 + 10
    assert all(isinstance(e, (Flaky, Aborted, Cancelled)) for _, e in result.failures())
    assert len(result) < 100_000
    with pytest.raises(Aborted):
        result.values()


def test_what_succeeds_in_the_end_is_no_error(tmp_path: Path) -> None:
    work = fails_until(str(tmp_path), 2)
    assert parallel_map(work, range(10), workers=2, retry=Retry(2, **AT_ONCE), max_errors=1).ok


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_stream_ends_at_max_errors(executor: Any) -> None:
    def work(n: int) -> int:
        raise Flaky(n)

    stream = parallel_iter(work, itertools.count(), executor=executor, workers=2, window_size=8, max_errors=3)
    errors = [r.error for r in stream]
    assert 3 <= len(errors) <= 11


# ---- stop tokens


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_stop_token_stops(executor: Any) -> None:
    token = StopToken()
    seen: list[int] = []

    def on_result(r: Any) -> None:
        if r.ok:
            seen.append(r.index)
        if len(seen) == 5:
            token.stop()

    result = parallel_map(
        abs, itertools.count(), executor=executor, workers=2, window_size=10, on_result=on_result, stop=token
    )
    assert result.status is RunStatus.CANCELLED
    assert token.stopped
    assert [i for i, _ in result.successes()] == sorted(seen)
    assert all(isinstance(error, Cancelled) for _, error in result.failures())
    again = parallel_map(abs, range(5), executor=executor, workers=2, stop=token)
    assert [type(e) for _, e in again.failures()] == [Cancelled] * 5


def test_a_sleeping_run_hears_a_stop_from_another_thread() -> None:
    token = StopToken()
    begun = threading.Event()
    go = threading.Event()

    def work(n: int) -> int:
        begun.set()
        go.wait()
        return n

    def stop() -> None:
        begun.wait()
        token.stop()
        go.set()

    helper = threading.Thread(target=stop)
    helper.start()
    result = parallel_map(work, itertools.count(), workers=2, window_size=4, stop=token)
    helper.join()
    assert result.status is RunStatus.CANCELLED


def test_a_stop_from_a_signal_handler() -> None:
    token = StopToken()
    before = signal.signal(signal.SIGUSR1, lambda *_: token.stop())
    try:
        result = parallel_map(
            lambda n: os.kill(os.getppid(), 0) or n,
            itertools.count(),
            executor="process",
            workers=2,
            window_size=4,
            on_result=lambda r: os.kill(os.getpid(), signal.SIGUSR1) if r.index == 3 else None,
            stop=token,
        )
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert result.status is RunStatus.CANCELLED


# ---- bad arguments


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: RateLimit(0), ValueError, "more than 0"),
        (lambda: RateLimit(float("nan")), ValueError, "finite"),
        (lambda: RateLimit("9"), TypeError, "a number"),  # type: ignore[arg-type]
        (lambda: RateLimit(1, "day"), ValueError, "'hour'"),  # type: ignore[arg-type]
        (lambda: RateLimit(1, burst=0), ValueError, "at least 1"),
        (lambda: Limiter(-1), ValueError, "more than 0"),
        (lambda: Retry(attempts=0), ValueError, "at least 1"),
        (lambda: Retry(attempts=1.5), TypeError, "an int"),  # type: ignore[arg-type]
        (lambda: Retry(backoff=-1), ValueError, "at least 0"),
        (lambda: Retry(max_delay=float("inf")), ValueError, "finite"),
        (lambda: Retry(on=(3,)), TypeError, "exception classes"),  # type: ignore[arg-type]
        (lambda: Retry(retry_if=3), TypeError, "callable"),  # type: ignore[arg-type]
        (lambda: parallel_map(abs, [1], retry=3), TypeError, "a Retry"),  # type: ignore[arg-type]
        (lambda: parallel_map(abs, [1], rate_limit="fast"), TypeError, "RateLimit"),  # type: ignore[arg-type]
        (lambda: parallel_map(abs, [1], rate_limit=True), TypeError, "RateLimit"),
        (lambda: parallel_map(abs, [1], max_errors=0), ValueError, "at least 1"),
        (lambda: parallel_map(abs, [1], stop=True), TypeError, "StopToken"),  # type: ignore[arg-type]
        (lambda: parallel_map(abs, [1], executor="process", chunksize=2, retry=Retry()), ValueError, "chunksize"),
        (lambda: parallel_map(abs, [1], executor="process", chunksize=2, max_errors=1), ValueError, "chunksize"),
        (lambda: parallel_map(abs, [1], executor="process", chunksize=2, rate_limit=1), ValueError, "chunksize"),
        (lambda: pickle.dumps(Limiter(1)), TypeError, "rate_limit="),
        (lambda: pickle.dumps(StopToken()), TypeError, "its process"),
        (lambda: setattr(Retry(), "attempts", 5), AttributeError, "make a new one"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def test_policies_are_values() -> None:
    assert RateLimit(90, "minute") == RateLimit(90, "minute", 1)
    assert RateLimit(90, "minute").per_second == 1.5
    assert hash(Retry(on=ValueError)) == hash(Retry(on=(ValueError,)))
    assert pickle.loads(pickle.dumps(RateLimit(2, burst=3))) == RateLimit(2, "second", 3)
    assert repr(RateLimit(2)) == "RateLimit(burst=1, count=2, per='second')"
    assert centimane.Limiter(5).rate_limit == RateLimit(5)
