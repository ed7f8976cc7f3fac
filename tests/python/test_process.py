"""``centimane.multiprocessing.Process``: what a process is given, and how it ends."""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import re
import signal
import sys
import threading
import weakref
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import process_tasks as tasks
import pytest
from process_life import PATIENCE, Script, answer, ended, running

from centimane import PayloadError
from centimane.multiprocessing import Process, active_children

# ---- what it is given


def test_what_a_process_finds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CENTIMANE_PROCESS_TEST", "here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["program", "argument"])
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = Process(target=tasks.describe, args=(theirs,), name="teller", daemon=True)
    assert (process.name, process.daemon, process.pid, process.exitcode) == ("teller", True, None, None)
    assert not process.is_alive()
    process.start()
    pid = process.pid
    found = ours.recv()
    process.join()
    process.close()
    ours.close()
    theirs.close()
    me = multiprocessing.current_process()
    assert found == {
        "name": "teller",
        "daemon": True,
        "pid": pid,
        "ident": pid,
        "parent": (os.getpid(), me.name, True),
        "authkey": bytes(me.authkey),
        "group": os.getpgrp(),
        "cwd": str(tmp_path),
        "argv": ["program", "argument"],
        "mark": "here",
        "stdin": "",
        "executable": sys.executable,
    }


def test_defaults() -> None:
    process = Process(target=tasks.nothing)
    assert re.fullmatch(r"Process-\d+(:\d+)*", process.name)
    assert process.daemon is False
    assert process.authkey == multiprocessing.current_process().authkey
    assert ended(tasks.nothing) == 0
    assert ended(functools.partial(tasks.leave, 3)) == 3
    empty = Process()
    empty.start()
    empty.join()
    assert empty.exitcode == 0
    empty.close()


def test_what_cannot_be_imported_travels_by_value() -> None:
    offset = 40

    def nested(connection: Connection, n: int, *, more: int) -> None:
        connection.send(n + offset + more)

    assert answer(nested, 1, more=1) == 42
    assert answer(lambda connection: connection.send("lambda")) == "lambda"


class Counting(Process):
    """A subclass with state of its own."""

    def __init__(self, connection: Connection, up_to: int) -> None:
        super().__init__(name="counting")
        self.connection = connection
        self.up_to = up_to

    def run(self) -> None:
        self.connection.send((list(range(self.up_to)), self.name))


def test_a_subclass_runs_its_own() -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours, theirs:
        process = Counting(theirs, 3)
        process.start()
        assert ours.recv() == ([0, 1, 2], "counting")
        process.join()
        assert (process.up_to, process.exitcode) == (3, 0)
        process.close()


def test_large_arguments_arrive_whole() -> None:
    assert answer(lambda connection, data: connection.send(len(data)), bytes(20_000_000)) == 20_000_000


def test_a_process_has_no_descriptor_of_others() -> None:
    with open("/etc/passwd") as held, running(tasks.say_and_sleep), running(tasks.say_and_sleep):
        os.set_inheritable(held.fileno(), True)
        found = answer(tasks.descriptors)
    # Its lifeline's end, the pidfd of this process, the connection, its zygote's mail, and what stands for standard input.
    assert found == ["/dev/null", "anon_inode", "pipe", "pipe", "socket"]


def test_many_connections_travel() -> None:
    pairs = [multiprocessing.Pipe() for _ in range(230)]
    mine, theirs = [a for a, _ in pairs], [b for _, b in pairs]

    def echo(connections: list[Connection]) -> None:
        for n, connection in enumerate(connections):
            connection.send(n)

    process = Process(target=echo, args=(theirs,))
    process.start()
    assert [connection.recv() for connection in mine] == list(range(230))
    process.join()
    process.close()
    for connection in mine + theirs:
        connection.close()


def test_the_standard_library_s_own_objects_travel(script: Script) -> None:
    """Those of a "fork" context can only be inherited, so the process is forked."""
    done = script(
        """
        import multiprocessing, os
        from centimane.multiprocessing import Process

        def add(lock, value, queue):
            with lock:
                value.value += 1
            queue.put((value.value, os.getppid() == driver))

        driver = os.getpid()
        for method in ("spawn", "fork"):
            context = multiprocessing.get_context(method)
            lock, value, queue = context.Lock(), context.Value("i", 20), context.SimpleQueue()
            process = Process(target=add, args=(lock, value, queue))
            process.start()
            process.join()
            print(method, process.exitcode, value.value, queue.get())
        """
    )
    assert (done.stdout, done.stderr) == ("spawn 0 21 (21, False)\nfork 0 21 (21, True)\n", "")


def test_what_cannot_travel_is_named() -> None:
    for bad in (threading.Lock(), (n for n in ())):
        process = Process(target=tasks.send, args=(1, bad))
        with pytest.raises(PayloadError, match=r"args → \[1\]"):
            process.start()
        assert process.pid is None
        assert process not in active_children()
    with pytest.raises(TypeError):  # as pickle says it
        Process(target=tasks.send, args=(threading.Lock(),)).start()


def test_bad_values_are_refused_as_in_the_standard_library() -> None:
    with pytest.raises(AssertionError):
        Process(group=1, target=tasks.nothing)  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        Process(target=tasks.nothing).join()
    process = Process(target=tasks.nothing)
    with pytest.raises(ValueError, match="not started"):
        process.sentinel  # noqa: B018
    process.start()
    with pytest.raises(AssertionError):
        process.start()
    with pytest.raises(AssertionError):
        process.daemon = True
    process.join()
    process.close()
    with pytest.raises(ValueError, match="closed"):
        process.is_alive()


# ---- how it ends


@pytest.mark.parametrize(
    ("given", "code"), [(0, 0), (5, 5), (None, 0), (True, 1), (255, 255), (-1, 255), ("words", 1), ([1], 1)]
)
def test_exit_codes(given: object, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert ended(tasks.leave, given) == code
    said = capfd.readouterr().err
    assert said == ("words\n" if given == "words" else "[1]\n" if given == [1] else "")


def test_an_exception_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    process = Process(target=tasks.fail, name="failing")
    process.start()
    process.join()
    assert process.exitcode == 1
    process.close()
    said = capfd.readouterr().err
    assert said.startswith("Process failing:\nTraceback")
    assert said.endswith("ArithmeticError: not today\n")
    assert "raise ArithmeticError" in said


def test_what_cannot_be_read_there_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert ended(lambda it: None, Unreadable()) == 1
    assert "cannot be read" in capfd.readouterr().err


class Unreadable:
    """Something that pickles, and cannot be rebuilt."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _refuse() -> None:
    raise OSError("this cannot be read")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV])
def test_signals_are_told(number: signal.Signals) -> None:
    assert ended(lambda n: os.kill(os.getpid(), n), int(number)) == -number


def test_terminate_and_kill() -> None:
    with running(tasks.ignore_terminate) as (process, _):
        assert process.is_alive()
        assert process in active_children()
        assert process.exitcode is None
        process.terminate()
        process.join(0)
        process.join(-1)
        assert process.is_alive()
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not process.is_alive()
        assert process not in active_children()
        process.kill()  # no error, and nobody else is hit
    with running(tasks.say_and_sleep) as (process, _):
        process.terminate()
        process.join()
        assert process.exitcode == -signal.SIGTERM


def test_a_sentinel_tells_the_end() -> None:
    with running(tasks.say_and_sleep) as (process, pid):
        assert wait([process.sentinel], 0) == []
        with pytest.raises(ValueError, match="still running"):
            process.close()
        os.kill(pid, signal.SIGKILL)
        assert wait([process.sentinel], PATIENCE) == [process.sentinel]
        assert process.exitcode == -signal.SIGKILL  # at once
        assert "exitcode=-SIGKILL" in repr(process)


def test_a_process_waits_for_its_threads_and_runs_its_exit_hooks(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def with_a_thread(path: str) -> None:
        import atexit

        def say(text: str) -> None:
            with open(path, "a") as file:
                file.write(text)

        atexit.register(say, "hook")
        go = threading.Event()
        threading.Thread(target=lambda: (go.wait(), say("thread "))).start()
        threading.Timer(0.05, go.set).start()
        say("run ")

    assert ended(with_a_thread, str(log)) == 0
    assert log.read_text() == "run thread hook"


def test_prints_go_to_the_driver_s_own_streams(capfd: pytest.CaptureFixture[str]) -> None:
    print("before", flush=True)
    for n in range(3):
        assert ended(lambda n: print(f"line {n}"), n) == 0
    print("after", flush=True)
    assert capfd.readouterr().out == "before\nline 0\nline 1\nline 2\nafter\n"


def test_many_at_once() -> None:
    processes = [Process(target=tasks.leave, args=(n,)) for n in range(100)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == list(range(100))
    for process in processes:
        process.close()


def test_threads_may_start_join_and_look() -> None:
    codes: list[int | None] = []

    def life(n: int) -> None:
        process = Process(target=tasks.leave, args=(n,))
        process.start()
        while process.is_alive():
            process.join(0.01)
        codes.append(process.exitcode)
        process.close()

    threads = [threading.Thread(target=life, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(code or 0 for code in codes) == list(range(8))
    with running(tasks.say_and_sleep) as (process, _):
        joining = threading.Thread(target=process.join)
        joining.start()
        process.kill()
        joining.join()
        assert process.exitcode == -signal.SIGKILL


def test_a_process_lets_go_of_what_it_was_given() -> None:
    class Target:
        def __call__(self) -> None:
            pass

    target = Target()
    process = Process(target=target)
    alive = weakref.ref(target)
    del target
    process.start()
    process.join()
    gc.collect()
    assert alive() is None
    process.close()
