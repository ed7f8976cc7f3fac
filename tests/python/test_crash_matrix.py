"""The crash matrix: a task that goes wrong in each way at each place. Its future resolves, all other tasks have their values, the pool
goes on, and nothing is left.

Ways that end the process are left out of the table where that process is this one; the last test has those, in a program of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from going_wrong import AsFunction, Read, Written, dropped, go_wrong, read, square, written

import centimane
from centimane.futures import BrokenProcessPool, Future, ProcessPoolExecutor, ThreadPoolExecutor

DEADLY = ("exit", "kill", "crash")
RAISING = ("raise", "SystemExit")
LARGE = 300_000
"""Bytes that go by the arena, or fill a ring."""


def ballast(executor: ProcessPoolExecutor) -> list[Future[Any]]:
    """Other tasks under way: more, and larger ones, than rings hold."""
    return [executor.submit(len, b"x" * LARGE) for _ in range(6)] + [executor.submit(square, n) for n in range(100)]


PLACES: dict[str, tuple[Callable[[ProcessPoolExecutor, str], Future[Any]], tuple[str, ...]]] = {
    "in the task": (lambda executor, how: executor.submit(go_wrong, how), DEADLY + RAISING),
    "function written": (lambda executor, how: executor.submit(AsFunction(Written(how))), RAISING),
    "function read": (lambda executor, how: executor.submit(AsFunction(Read(how))), DEADLY + RAISING),
    "large function read": (lambda executor, how: executor.submit(AsFunction(Read(how, LARGE))), DEADLY + RAISING),
    "argument written": (lambda executor, how: executor.submit(square, Written(how)), RAISING),  # type: ignore[arg-type]
    "argument read": (lambda executor, how: executor.submit(square, Read(how)), DEADLY + RAISING),  # type: ignore[arg-type]
    "large argument read": (
        lambda executor, how: executor.submit(square, Read(how, LARGE)),  # type: ignore[arg-type]
        DEADLY + RAISING,
    ),
    "result written": (lambda executor, how: executor.submit(written, how), DEADLY + RAISING),
    "result read": (lambda executor, how: executor.submit(read, how, 0), RAISING),
    "large result read": (lambda executor, how: executor.submit(read, how, LARGE), RAISING),
    "collected": (lambda executor, how: executor.submit(dropped, how), DEADLY),
    "stoppable": (
        lambda executor, how: executor.with_options(stop_running=True).submit(go_wrong, how),
        DEADLY + RAISING,
    ),
    "with a limit": (lambda executor, how: executor.with_options(timeout=300).submit(go_wrong, how), DEADLY + RAISING),
}


@pytest.fixture
def executor() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2) as made:
        yield made


@pytest.mark.parametrize("place", PLACES)
def test_a_task_goes_wrong(executor: ProcessPoolExecutor, place: str) -> None:
    submit, hows = PLACES[place]
    for how in hows:
        before = ballast(executor)
        victim = submit(executor, how)
        after = ballast(executor)
        error = victim.exception()
        assert error is not None, how
        assert isinstance(error, BrokenProcessPool) == (how in DEADLY or place.endswith(" read")), (how, error)
        assert isinstance(error, centimane.WorkerDied) == (how in DEADLY), (how, error)
        for others in (before, after):
            assert [future.result() for future in others] == [LARGE] * 6 + [n * n for n in range(100)], how


@pytest.mark.parametrize("place", PLACES)
def test_it_goes_wrong_while_the_pool_ends(place: str) -> None:
    submit, hows = PLACES[place]
    for how in (hows[0], hows[-1]):
        executor = ProcessPoolExecutor(2)
        before = ballast(executor)
        victim = submit(executor, how)
        after = ballast(executor)
        executor.shutdown(wait=False)
        assert victim.exception() is not None, how
        for others in (before, after):
            assert [future.result() for future in others] == [LARGE] * 6 + [n * n for n in range(100)], how
        executor.shutdown(wait=True)


@pytest.mark.parametrize("how", RAISING)
def test_callbacks_that_raise(executor: ProcessPoolExecutor, how: str) -> None:
    logged = threading.Semaphore(0)

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.release()

    def after(future: Future[int]) -> None:
        future.result()
        go_wrong(how)

    heard = Heard()
    logging.getLogger("concurrent.futures").addHandler(heard)
    try:
        futures = [executor.submit(square, n) for n in range(50)]
        for future in futures:
            future.add_done_callback(after)
        assert [future.result() for future in futures] == [n * n for n in range(50)]
        for _ in futures:
            assert logged.acquire(timeout=300)
        assert executor.submit(square, 7).result() == 49
        assert not logged.acquire(blocking=False)
    finally:
        logging.getLogger("concurrent.futures").removeHandler(heard)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", RAISING)
def test_destructors_that_raise(executor: ProcessPoolExecutor, how: str) -> None:
    assert [executor.submit(dropped, how).result() for _ in range(3)] == [1] * 3


@pytest.mark.parametrize("how", RAISING)
def test_on_threads(how: str) -> None:
    with ThreadPoolExecutor(2) as executor:
        victims = [executor.submit(go_wrong, how) for _ in range(5)]
        others = [executor.submit(square, n) for n in range(50)]
        for victim in victims:
            assert isinstance(victim.exception(), ValueError if how == "raise" else SystemExit)
        assert [future.result() for future in others] == [n * n for n in range(50)]


@pytest.mark.parametrize("how", DEADLY)
@pytest.mark.parametrize("place", ["argument written", "result read", "callback"])
def test_this_process_ends(script: Callable[..., Any], place: str, how: str) -> None:
    """What is left of it then is looked for by the leak check."""
    done = script(f"""
        import sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        import test_crash_matrix as matrix
        from centimane.futures import ProcessPoolExecutor
        executor = ProcessPoolExecutor(2)
        others = matrix.ballast(executor)
        if {place!r} == "callback":
            executor.submit(abs, 1).add_done_callback(lambda _: matrix.go_wrong({how!r}))
        else:
            matrix.PLACES[{place!r}][0](executor, {how!r}).result()
        [future.result() for future in others]
        executor.shutdown()
        print("still here")
    """)
    codes = {"exit": 7, "kill": -signal.SIGKILL, "crash": -signal.SIGSEGV}
    assert done.returncode == codes[how], done.stderr
    assert "still here" not in done.stdout
