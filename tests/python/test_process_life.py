"""``centimane.multiprocessing.Process``: processes of processes, who ends with whom, whole programs, contexts."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import process_tasks as tasks
import pytest
from leaks import MARK, marked_processes
from process_life import PATIENCE, Script, answer, ended, running

from centimane import NestingError, _children, _nesting
from centimane import multiprocessing as mp
from centimane.multiprocessing import Process

# ---- nested


def test_processes_of_processes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(tasks.nest, 2) == "bottom"
    monkeypatch.setattr(_nesting, "depth", _nesting.DEEPEST - 1)
    assert answer(tasks.nest, 1) == "NestingError"
    monkeypatch.setattr(_nesting, "depth", _nesting.DEEPEST)
    with pytest.raises(NestingError):
        Process(target=tasks.nothing).start()


def test_a_process_may_have_a_pool() -> None:
    assert answer(tasks.own_pool) == [1, 2, 3]


def test_a_daemon_may_have_no_process(capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours, theirs:
        process = Process(target=tasks.own_child, args=(theirs,), daemon=True)
        process.start()
        process.join()
        assert process.exitcode == 1
        process.close()
    assert "daemonic processes are not allowed to have children" in capfd.readouterr().err


def test_a_process_takes_its_own_along() -> None:
    with running(tasks.own_child) as (process, inner):
        descriptor = os.pidfd_open(inner)
        process.kill()
        assert select.select([descriptor], [], [], PATIENCE)[0]
        os.close(descriptor)


# ---- deaths around it


def test_a_killed_zygote_takes_its_processes_along_and_another_follows() -> None:
    with running(tasks.say_and_sleep) as (process, _):
        (home,) = [home for home in _children._homes.values() if home.count]  # pyright: ignore[reportPrivateUsage]
        os.kill(home.zygote_pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert ended(tasks.leave, 4) == 4


PROGRAM = """
import os, signal, sys, time
from centimane.multiprocessing import Process

def sleep():
    print(os.getpid(), flush=True)
    time.sleep(600)

process = Process(target=sleep, daemon={daemon})
process.start()
"""


@pytest.mark.parametrize(
    "how", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)", "os.execv('/bin/sleep', ['sleep', '0'])"]
)
def test_a_process_ends_with_its_driver(nothing_left_behind: str, how: str, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(daemon=False) + f"sys.stdin.readline()\n{how}\n")
    driver = subprocess.Popen([sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert driver.stdin
    assert driver.stdout
    with driver.stdin, driver.stdout:
        descriptor = os.pidfd_open(int(driver.stdout.readline()))
        driver.stdin.write("go\n")
        driver.stdin.flush()
        driver.wait()
        assert select.select([descriptor], [], [], PATIENCE)[0]
        os.close(descriptor)


def test_daemons_are_terminated_at_the_end_and_others_joined(script: Script) -> None:
    done = script(
        """
        import atexit, time, sys
        from centimane.multiprocessing import Process

        def slow():
            time.sleep(0.2)
            print("slow has ended")

        daemon = Process(target=time.sleep, args=(600,), daemon=True)
        daemon.start()
        Process(target=slow).start()
        atexit.register(lambda: print("end of the program", flush=True))
        """
    )
    assert sorted(done.stdout.splitlines()) == ["end of the program", "slow has ended"]
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_program_without_a_guard_runs_once(script: Script) -> None:
    done = script(
        """
        import os
        from centimane.multiprocessing import Process, Pipe

        print("main", flush=True)
        greeting = "hello"

        class Task:
            def __init__(self, n):
                self.n = n
            def __call__(self):
                return f"{greeting} {self.n}"

        class Consumer(Process):
            def __init__(self, connection):
                super().__init__()
                self.connection = connection
            def run(self):
                while (task := self.connection.recv()) is not None:
                    print(task(), type(task).__name__, flush=True)
                    self.connection.send(task)

        ours, theirs = Pipe()
        consumer = Consumer(theirs)
        consumer.start()
        for n in range(2):
            ours.send(Task(n))
            back = ours.recv()
            assert type(back) is Task and back.n == n
        ours.send(None)
        consumer.join()
        print(consumer.exitcode)
        """
    )
    assert (done.stdout, done.stderr) == ("main\nhello 0 Task\nhello 1 Task\n0\n", "")


def test_what_a_process_has_changed_in_main_stays(script: Script) -> None:
    done = script(
        """
        from centimane.multiprocessing import Process, Pipe

        count = 1

        class Item:
            pass

        def helper():
            return count

        def work(connection):
            global count
            count = 2
            connection.recv()   # names a class that this function does not: all definitions are read
            import __main__
            connection.send((count, __main__.helper()))

        ours, theirs = Pipe()
        process = Process(target=work, args=(theirs,))
        process.start()
        ours.send(Item())
        print(ours.recv(), count)
        process.join()
        """
    )
    assert (done.stdout, done.stderr) == ("(2, 2) 1\n", "")


@pytest.mark.parametrize("how", ["file", "-c", "-"])
def test_any_program_may_start_processes(script: Script, how: str) -> None:
    done = script(
        """
        from centimane.multiprocessing import Process
        p = Process(target=lambda: print("from a process"))
        p.start()
        p.join()
        print(p.exitcode)
        """,
        how=how,
    )
    assert (done.stdout, done.stderr) == ("from a process\n0\n", "")


def test_ctrl_c_reaches_both(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(
        textwrap.dedent(
            """
            import sys
            import time
            from centimane.multiprocessing import Process

            def sleep():
                try:
                    sys.stdout.write("ready\\n")  # in one piece, buffered or not
                    sys.stdout.flush()
                    time.sleep(600)
                except KeyboardInterrupt:
                    print("the process was interrupted", flush=True)

            process = Process(target=sleep)
            process.start()
            try:
                sys.stdout.write("ready\\n")
                sys.stdout.flush()
                process.join()
            except KeyboardInterrupt:
                process.join()
                print("the program was interrupted", process.exitcode, flush=True)
            """
        )
    )
    driver = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    assert driver.stdout
    with driver.stdout:
        assert [driver.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
        os.killpg(driver.pid, signal.SIGINT)
        assert driver.stdout.read() == "the process was interrupted\nthe program was interrupted 0\n"
        assert driver.wait() == 0


def test_a_fork_of_the_driver_starts_its_own() -> None:
    with running(tasks.say_and_sleep) as (process, _):
        copy = os.fork()
        if copy == 0:
            try:
                assert process._popen.poll() is None  # type: ignore[attr-defined]
                mine = Process(target=tasks.leave, args=(9,))
                mine.start()
                mine.join()
                os._exit(mine.exitcode or 0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 9
        assert process.is_alive()


# ---- contexts


def test_contexts() -> None:
    assert mp.get_start_method() == "centimane"
    assert mp.get_context() is mp.get_context("centimane") is multiprocessing.get_context("centimane")
    assert mp.get_all_start_methods()[0] == "centimane"
    assert multiprocessing.get_start_method(allow_none=True) in (None, "fork", "forkserver")
    for method in ("fork", "spawn"):
        assert issubclass(mp.get_context(method).Process, multiprocessing.get_context(method).Process)
    with pytest.raises(ValueError, match="cannot find context"):
        mp.get_context("teleport")
    process = mp.get_context().Process(target=tasks.leave, args=(6,))  # type: ignore[attr-defined]
    process.start()
    process.join()
    assert process.exitcode == 6
    process.close()


def test_the_start_method_may_be_chosen(script: Script) -> None:
    done = script(
        """
        import multiprocessing, os
        from centimane import multiprocessing as mp

        def parent():
            print(os.getppid() == int(os.environ["DRIVER"]), mp.get_start_method())

        os.environ["DRIVER"] = str(os.getpid())
        for set_it, make in ((mp.set_start_method, mp.Process), (multiprocessing.set_start_method, multiprocessing.Process)):
            for method in ("fork", "centimane"):
                set_it(method, force=True)
                p = make(target=parent)
                p.start()
                p.join()
        """
    )
    assert (done.stdout, done.stderr) == ("True fork\nFalse centimane\nTrue centimane\nFalse centimane\n", "")


def test_preloaded_modules_are_there(script: Script) -> None:
    done = script(
        """
        import sys
        from centimane.multiprocessing import Process, set_forkserver_preload

        def loaded():
            print("wave" in sys.modules, "centimane.nowhere" in sys.modules)

        for names in ([], ["wave", "centimane.nowhere"]):
            set_forkserver_preload(names)
            p = Process(target=loaded)
            p.start()
            p.join()
        try:
            set_forkserver_preload([1])
        except TypeError as error:
            print(error)
        """
    )
    assert done.stdout == "False False\nTrue False\nmodule_names must be a list of strings\n"


def test_no_tracker_and_no_server_is_started() -> None:
    assert ended(tasks.nothing) == 0
    from multiprocessing import forkserver

    assert forkserver._forkserver._forkserver_pid is None  # type: ignore[attr-defined]
    names = []
    for pid in marked_processes(os.environ[MARK]):  # those that this test has started
        with contextlib.suppress(OSError):
            names.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    assert not [name for name in names if b"resource_tracker" in name]
