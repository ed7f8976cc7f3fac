"""What tasks of executors and pools print and log comes out in the driver: beside their results, and all of it before an end that waits."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

import pytest
from joblib import Parallel, delayed

import centimane.joblib
from centimane import WorkerDied
from centimane.futures import ProcessPoolExecutor
from centimane.multiprocessing import Pool

Script = Callable[..., "subprocess.CompletedProcess[str]"]
Way = Callable[[Callable[[int], object], Iterable[int]], None]

PATIENCE = 60
"""A watchdog, no expectation."""


def by_executor(work: Callable[[int], object], items: Iterable[int]) -> None:
    with ProcessPoolExecutor(2) as executor:
        for future in [executor.submit(work, item) for item in items]:
            future.exception()


def by_map(work: Callable[[int], object], items: Iterable[int]) -> None:
    with ProcessPoolExecutor(2) as executor:
        list(executor.map(work, items, chunksize=3))


def by_pool(work: Callable[[int], object], items: Iterable[int]) -> None:
    with Pool(2) as pool:
        pool.map(work, items)  # the end of the block terminates the workers


def by_imap(work: Callable[[int], object], items: Iterable[int]) -> None:
    with Pool(2) as pool:
        for _ in pool.imap_unordered(work, items):
            pass
        pool.close()
        pool.join()


def by_await(work: Callable[[int], object], items: Iterable[int]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(2) as executor:
            first, *others = items
            await executor.submit(work, first)
            await asyncio.gather(*(loop.run_in_executor(executor, work, item) for item in others))

    asyncio.run(main())


def by_joblib(work: Callable[[int], object], items: Iterable[int]) -> None:
    centimane.joblib.register()
    Parallel(n_jobs=2, backend="centimane")(delayed(work)(item) for item in items)
    centimane.joblib.shutdown()


WAYS: list[Way] = [by_executor, by_map, by_pool, by_imap, by_await, by_joblib]
every_way = pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])


class Keep(logging.Handler):
    """Keeps the records, and shows each to `look`."""

    def __init__(self, look: Callable[[logging.LogRecord], object] | None = None) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.look = look

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        if self.look is not None:
            self.look(record)


@pytest.fixture
def keep() -> Iterator[Keep]:
    handler = Keep()
    logger = logging.getLogger("test_output")
    logger.setLevel(logging.INFO)
    logging.root.addHandler(handler)
    yield handler
    logging.root.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def speak(n: int) -> int:
    print("line", n)
    print("trouble", n, file=sys.stderr)
    return n


def report(n: int) -> int:
    logging.getLogger("test_output").debug("nobody wants %d", n)
    logging.getLogger("test_output").info("item %d", n)
    return n


def tellers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "centimane-teller"]


def speak_and_report(n: int) -> int:
    return report(speak(n))


@every_way
def test_all_comes_whole_and_before_the_end(way: Way, capsys: pytest.CaptureFixture[str], keep: Keep) -> None:
    way(speak_and_report, range(30))
    seen = capsys.readouterr()
    assert sorted(seen.out.splitlines()) == sorted(f"line {n}" for n in range(30))
    assert sorted(seen.err.splitlines()) == sorted(f"trouble {n}" for n in range(30))
    assert sorted(record.getMessage() for record in keep.records) == sorted(f"item {n}" for n in range(30))
    for record in keep.records:
        assert record.process != os.getpid()
        assert record.processName == f"centimane-worker-{record.__dict__['worker']}"


def test_records_have_the_number_of_their_task(keep: Keep) -> None:
    with ProcessPoolExecutor(2) as executor:
        for n in range(10):
            executor.submit(report, n)
    assert sorted((record.__dict__["item"], record.getMessage()) for record in keep.records) == [
        (n, f"item {n}") for n in range(10)
    ]


def test_copies_of_this_process_speak_too(capsys: pytest.CaptureFixture[str], keep: Keep) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as executor:
        executor.submit(speak, 1)
        executor.submit(report, 2)
    assert capsys.readouterr().out == "line 1\n"
    assert [record.getMessage() for record in keep.records] == ["item 2"]


def test_what_may_be_stopped_or_has_a_limit_speaks_too(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessPoolExecutor(1) as executor:
        executor.with_options(stop_running=True).submit(speak, 1)
        executor.with_options(timeout=PATIENCE).submit(speak, 2)
    assert capsys.readouterr().out == "line 1\nline 2\n"


def test_what_was_said_before_a_death_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    def last_words() -> None:
        print("last words")
        os.kill(os.getpid(), signal.SIGKILL)

    with ProcessPoolExecutor(1) as executor:
        assert isinstance(executor.submit(last_words).exception(), WorkerDied)
    assert capsys.readouterr().out == "last words\n"


def test_it_comes_though_nobody_waits_for_anything(keep: Keep) -> None:
    there = threading.Event()
    keep.look = lambda _: there.set()
    with ProcessPoolExecutor(1) as executor:
        executor.submit(report, 1)
        assert there.wait(PATIENCE)


def test_where_nobody_speaks_there_is_no_thread_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessPoolExecutor(2) as executor:
        assert list(executor.map(abs, range(50))) == list(range(50))
        assert tellers() == []
        executor.submit(speak, 1).result()
    assert tellers() == []
    assert capsys.readouterr().out == "line 1\n"


def test_a_handler_that_blocks_delays_no_result(keep: Keep) -> None:
    called, go_on = threading.Event(), threading.Event()

    def block(_: logging.LogRecord) -> None:
        called.set()
        assert go_on.wait(PATIENCE)

    keep.look = block
    with ProcessPoolExecutor(2) as executor:
        try:
            executor.submit(report, 1)
            assert called.wait(PATIENCE)
            told = threading.Event()
            assert [executor.submit(report, n).result(PATIENCE) for n in range(2, 20)] == list(range(2, 20))
            executor.submit(abs, -1).add_done_callback(lambda _: told.set())
            assert told.wait(PATIENCE)
            assert len(keep.records) == 1
        finally:
            go_on.set()
    assert sorted(record.getMessage() for record in keep.records) == sorted(f"item {n}" for n in range(1, 20))


def test_a_handler_may_use_the_executor(keep: Keep) -> None:
    results: list[int] = []
    done = threading.Event()

    def use(_: logging.LogRecord) -> None:
        results.append(executor.submit(abs, -7).result(PATIENCE))
        done.set()

    keep.look = use
    with ProcessPoolExecutor(1) as executor:
        executor.submit(report, 1).result()
        assert done.wait(PATIENCE)
    assert results == [7]


def test_a_handler_may_end_the_executor(keep: Keep) -> None:
    done = threading.Event()
    executor = ProcessPoolExecutor(1)

    def end(_: logging.LogRecord) -> None:
        executor.shutdown(wait=True)
        done.set()

    keep.look = end
    executor.submit(report, 1)
    assert done.wait(PATIENCE)
    executor.shutdown()
    assert len(keep.records) == 1


def test_a_handler_that_raises_is_reported_and_stops_nothing(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: reported.append(str(told.exc_value)))

    def refuse(record: logging.LogRecord) -> None:
        raise ValueError(record.getMessage())

    keep.look = refuse
    with ProcessPoolExecutor(1) as executor:
        assert [executor.submit(report, n).result() for n in range(3)] == [0, 1, 2]
    assert reported == ["item 0", "item 1", "item 2"]


@pytest.mark.parametrize(
    "end",
    [
        "executor.submit(speak, 1)",
        "executor.submit(speak, 1); executor.shutdown(wait=False)",
        "Pool(1).apply(speak, (1,))",
    ],
)
def test_the_interpreters_end_loses_nothing(script: Script, end: str) -> None:
    done = script(
        f"""
        from centimane.futures import ProcessPoolExecutor
        from centimane.multiprocessing import Pool

        def speak(n):
            print("line", n)

        executor = ProcessPoolExecutor(1)
        pools = []
        {end.replace("Pool(1)", "pools.append(Pool(1)) or pools[0]")}
        """
    )
    assert (done.returncode, done.stdout) == (0, "line 1\n")
