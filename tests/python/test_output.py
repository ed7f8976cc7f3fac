"""What workers print and log comes out in the driver, whole, and before the run is over."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from centimane import parallel_iter, parallel_map

Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What reaches a handler of the driver's; the levels are as they were afterwards."""
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Keep()
    logger = logging.getLogger("test_output")
    logging.root.addHandler(handler)
    yield seen
    logging.root.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.disabled = False


def speak(n: int) -> int:
    print("line", n)
    print("trouble", n, file=sys.stderr)
    return n


@pytest.mark.parametrize("start", ["zygote", "fork"])
def test_lines_come_whole_and_in_time(capsys: pytest.CaptureFixture[str], start: str) -> None:
    assert parallel_map(speak, range(200), executor="process", workers=2, start=start).ok
    seen = capsys.readouterr()
    assert sorted(seen.out.splitlines()) == sorted(f"line {n}" for n in range(200))
    assert sorted(seen.err.splitlines()) == sorted(f"trouble {n}" for n in range(200))


def test_every_executor_prints_the_same(executor: str, capsys: pytest.CaptureFixture[str]) -> None:
    parallel_map(speak, range(20), executor=executor, workers=2)
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(f"line {n}" for n in range(20))


def test_they_go_to_the_object_that_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = io.StringIO()
    monkeypatch.setattr(sys, "stdout", notebook)
    list(parallel_iter(speak, range(5), executor="process", workers=2))
    assert sorted(notebook.getvalue().splitlines()) == [f"line {n}" for n in range(5)]


@pytest.mark.parametrize("out", ["none", "closed"])
def test_a_stream_that_is_not_there_costs_nothing(monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stdout", None if out == "none" else stream)
    assert parallel_map(speak, range(5), executor="process", workers=1).ok


def test_a_line_without_an_end_is_given_one(capsys: pytest.CaptureFixture[str]) -> None:
    def half(n: int) -> None:
        print("a", n, sep="", end="")
        print("b", end="")
        if n == 1:
            raise ValueError

    parallel_map(half, range(3), executor="process", workers=2)
    assert sorted(capsys.readouterr().out.splitlines()) == ["a0b", "a1b", "a2b"]


def test_threads_of_a_task_do_not_mix_inside_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def many(_: int) -> None:
        def one(name: str) -> None:
            for _ in range(100):
                print(name, name, name, name)

        threads = [threading.Thread(target=one, args=(name,)) for name in "xy"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    parallel_map(many, [0], executor="process", workers=1)
    assert sorted(capsys.readouterr().out.splitlines()) == ["x x x x"] * 100 + ["y y y y"] * 100


def test_a_long_text_comes_whole(capsys: pytest.CaptureFixture[str]) -> None:
    text = "äöü€𝄞" * 20_000

    def long(_: int) -> None:
        print(text)
        print("\n".join(["line"] * 10_000))

    parallel_map(long, [0], executor="process", workers=1)
    assert capsys.readouterr().out.splitlines() == [text] + ["line"] * 10_000


def test_what_was_said_before_a_death_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    def last_words(_: int) -> None:
        print("last words")
        os.kill(os.getpid(), signal.SIGKILL)

    assert not parallel_map(last_words, [0], executor="process", workers=1).ok
    assert capsys.readouterr().out == "last words\n"


def test_a_driver_that_is_busy_is_not_waited_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """More is said than is kept: the rest is dropped and counted, and nobody hangs."""
    done = tmp_path / "done"

    def shout(n: int) -> int:
        if n == 1:
            for _ in range(25_000):
                print("x" * 1000)
            done.touch()
        return n

    stream = parallel_iter(shout, [0, 1], executor="process", workers=1, ordered=True)
    assert next(stream).index == 0
    while not done.exists():  # this thread is busy with something else
        time.sleep(0.01)
    assert next(stream).ok
    assert list(stream) == []
    seen = capsys.readouterr()
    assert _dropped(seen.err) > 0
    assert 0 < seen.out.count("\n") <= 25_000 - _dropped(seen.err)


def _dropped(err: str) -> int:
    return sum(int(line.split()[1]) for line in err.splitlines() if "were dropped" in line)


def test_the_streams_of_a_worker_are_as_good_as_files() -> None:
    def look(_: int) -> tuple[object, ...]:
        sys.stdout.flush()
        sys.stdout.writelines([])
        with pytest.raises(TypeError):
            sys.stdout.write(b"bytes")  # type: ignore[arg-type]
        assert sys.stderr is not None
        return (
            sys.stdout.writable(),
            sys.stdout.isatty(),
            sys.stdout.fileno(),
            sys.stdout.encoding.lower(),
            isinstance(sys.stdout, io.TextIOBase),
            hasattr(sys.stdout, "buffer"),
        )

    (found,) = parallel_map(look, [0], executor="process", workers=1).values()
    assert found[:3] == (True, False, 1)
    assert found[4:] == (True, True)


def test_records_reach_the_drivers_handlers(records: list[logging.LogRecord]) -> None:
    logging.getLogger("test_output").setLevel(logging.INFO)

    def work(n: int) -> int:
        logger = logging.getLogger("test_output")
        logger.debug("nobody wants %d", n)
        logger.info("item %d", n)
        return n

    parallel_map(work, range(20), executor="process", workers=2)
    assert sorted(record.getMessage() for record in records) == sorted(f"item {n}" for n in range(20))
    for record in records:
        assert record.name == "test_output"
        assert record.levelno == logging.INFO
        assert record.process != os.getpid()
        assert record.getMessage() == f"item {record.__dict__['item']}"
        assert record.processName == f"centimane-worker-{record.__dict__['worker']}"
        assert record.funcName == "work"


def test_levels_are_the_drivers_of_that_moment(records: list[logging.LogRecord]) -> None:
    def work(_: int) -> tuple[bool, bool]:
        logger = logging.getLogger("test_output")
        logger.info("said")
        return logger.isEnabledFor(logging.INFO), logger.isEnabledFor(logging.DEBUG)

    logger = logging.getLogger("test_output")
    for level, wanted in (
        (logging.WARNING, (False, False)),
        (logging.DEBUG, (True, True)),
        (logging.INFO, (True, False)),
    ):
        logger.setLevel(level)
        assert parallel_map(work, [0], executor="process", workers=1).values() == [wanted]
    assert len(records) == 2
    logger.disabled = True
    parallel_map(work, [0], executor="process", workers=1)
    assert len(records) == 2


def test_exceptions_and_odd_fields_travel(records: list[logging.LogRecord]) -> None:
    def work(_: int) -> None:
        logger = logging.getLogger("test_output")
        try:
            raise KeyError("lost")
        except KeyError:
            logger.exception("it failed", extra={"lock": threading.Lock(), "number": 3})
        logger.error("x" * 50_000)
        logger.error("broken %d", "text")

    parallel_map(work, [0], executor="process", workers=1)
    first, second = records
    assert first.exc_text is not None
    assert "KeyError: 'lost'" in first.exc_text
    assert first.__dict__["number"] == 3
    assert "lock" in first.__dict__["lock"]
    assert second.getMessage().startswith("xxx")


def test_without_a_handler_it_is_as_everywhere(script: Script) -> None:
    done = script(
        """
        import logging
        from centimane import parallel_map

        def work(n):
            logging.getLogger("mine").warning("look out %d", n)
            logging.getLogger("mine").info("nothing")

        parallel_map(work, range(2), executor="process", workers=1)
        """
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert sorted(done.stderr.splitlines()) == ["look out 0", "look out 1"]


def test_a_program_without_logging_loads_none(script: Script) -> None:
    done = script(
        """
        import sys
        from centimane import parallel_map

        def work(n):
            print("said", n)
            return "logging" in sys.modules

        print(parallel_map(work, [0], executor="process", workers=1).values(), "logging" in sys.modules)
        """
    )
    assert (done.stdout, done.stderr) == ("said 0\n[False] False\n", "")
