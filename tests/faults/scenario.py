"""One run of centimane that goes wrong on purpose, for the fault suite: the Python face's side.

Reads a JSON plan from argv[1], runs it, prints one JSON line a run. ``scenario.cpp`` is the same program on the C++ face; the plans,
the names of the deeds and what is printed are the same, so one table serves both.
"""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import centimane


class BadArgument:
    """Cannot be pickled."""

    def __init__(self) -> None:
        self.connection = threading.Lock()


class ArgumentThat:
    """Does something while it is rebuilt."""

    def __init__(self, deed: str) -> None:
        self.deed = deed

    def __reduce__(self) -> tuple[Any, ...]:
        return (rebuild, (self.deed, os.getpid()))


def rebuild(deed: str, maker: int) -> ArgumentThat:
    if deed == "raises":
        raise ValueError("not to be rebuilt")
    if deed == "dies":
        os._exit(3)
    if deed == "raises_at_home" and os.getpid() != maker:
        raise ValueError("not to be rebuilt at home")
    return ArgumentThat(deed)


class Unpicklable(Exception):
    def __init__(self, text: str, lock: Any) -> None:
        super().__init__(text)
        self.lock = lock


def work(task: tuple[str, Any]) -> Any:
    deed, number = task
    if deed == "square":
        return number * number
    if deed == "pid":
        return os.getpid()
    if deed == "square_when_told":
        while not os.path.exists(os.path.join(os.environ["TMPDIR"], "go")):
            time.sleep(0.001)
        return number * number
    if deed in SIGNALS:
        os.kill(os.getpid(), SIGNALS[deed])
        signal.pause()
    if deed == "exit":
        os._exit(number)
    if deed == "sysexit":
        sys.exit(number)
    if deed == "raise":
        raise ValueError("told to raise")
    if deed == "raise_base":
        raise KeyboardInterrupt
    if deed == "raise_unpicklable":
        raise Unpicklable("told to raise", threading.Lock())
    if deed == "crash":
        ctypes.string_at(0)
    if deed == "overflow":
        faulthandler._stack_overflow()  # type: ignore[attr-defined]  # of the C stack: pure Python's recursion costs heap, and is limited
    if deed == "hang":
        while True:
            time.sleep(3600)
    if deed == "hang_busy":
        while True:
            pass
    if deed == "hang_in_c":
        return pow(7, 7**9)
    if deed == "ignore_and_hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            try:
                time.sleep(3600)
            except BaseException:  # the request to stop above all
                continue
    if deed == "large":
        return "x" * number
    if deed == "echo":
        return number
    if deed == "unpicklable_result":
        return threading.Lock()
    if deed == "result_dies":
        return DiesWhenPickled()
    if deed == "result_raises_at_home":
        return ArgumentThat("raises_at_home")
    if deed == "deep":
        deep: Any = []
        for _ in range(100_000):
            deep = [deep]
        return deep
    if deed == "close_all":
        os.closerange(0, 1 << 16)
        return number * number
    if deed == "dup_over":
        null = os.open("/dev/null", os.O_RDWR)
        for n in range(3, 1024):
            if n != null:
                os.dup2(null, n)
        return number * number
    if deed == "exec":
        os.execv("/bin/true", ["true"])
    if deed == "fork_return":
        os.fork()
        return number * number
    if deed == "leave_child":
        subprocess.Popen(["sleep", "3600"])
        return number * number
    if deed == "leave_daemon":
        # The shell leaves the worker's group before it runs, so what it starts has left it too.
        subprocess.run(["sh", "-c", "sleep 3600 &"], start_new_session=True, check=True)
        return number * number
    if deed == "leave_orphan":
        if os.fork() == 0:
            os.fork()
            os._exit(0)
        os.wait()
        return number * number
    if deed == "eat":
        eaten = bytearray(number)
        for at in range(0, number, 4096):
            eaten[at] = 1
        return len(eaten)
    if deed == "leave_thread":
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        return number * number
    if deed == "change_state":
        os.chdir("/")
        os.umask(0o777)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.stdout = None
        return number * number
    if deed == "directory":
        return os.getcwd()
    if deed == "print":
        line = "p" * 1023 + "\n"
        for _ in range(number):
            sys.stdout.write(line)
        sys.stdout.flush()
        return number * number
    if deed == "close_standard":
        os.closerange(0, 3)  # a worker may do it twice
        return number * number
    if deed == "limit_cpu":
        resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
        while True:
            pass
    if deed == "limit_file":
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        with tempfile.TemporaryFile() as out:
            out.write(b"x" * 100)
        return number * number
    if deed == "limit_memory":
        resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))
        return bytes(1 << 30)
    if deed == "nested":
        return sum(centimane.parallel_map(abs, range(number), executor="process", workers=2).values())
    if deed == "deeper":
        if number == 0:
            return 0
        (inner,) = centimane.parallel_map(work, [(deed, number - 1)], executor="process", workers=1).item_results()
        if inner.error is not None:
            raise inner.error
        return int(inner.value) + 1
    if deed == "kill_zygote":
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    if deed == "never_ends":
        atexit.register(time.sleep, 3600)
        return number * number
    if deed == "dies_at_its_end":
        KEPT.append(DiesWhenCollected())
        return number * number
    if deed == "argument":
        return str(type(number))
    raise AssertionError(f"no such deed: {deed}")


class DiesWhenCollected:
    def __del__(self) -> None:
        os._exit(5)


class DiesWhenPickled:
    def __reduce__(self) -> str:
        os._exit(4)


KEPT: list[Any] = []
SIGNALS = {
    "sigkill": signal.SIGKILL,
    "sigsegv": signal.SIGSEGV,
    "sigabrt": signal.SIGABRT,
    "sigstop": signal.SIGSTOP,
    "sigterm": signal.SIGTERM,
}


def argument(task: list[Any]) -> tuple[str, Any]:
    deed, number = task
    if deed == "bad_argument":
        return "argument", {"deeper": [BadArgument()]}
    if deed == "echo":
        return deed, "x" * number
    if deed.startswith("argument_"):
        return "argument", ArgumentThat(deed.removeprefix("argument_"))
    return deed, number


def described(item: Any) -> dict[str, Any]:
    if item.ok:
        value = item.value
        return {
            "value": value
            if isinstance(value, int | str) and len(str(value)) < 200
            else f"{type(value).__name__} of {len(value)}"
        }
    error = item.error
    told: dict[str, Any] = {"error": type(error).__name__, "text": str(error)}
    for name in ("stage", "signal", "exit_code", "likely_oom", "poison", "stack"):
        if hasattr(error, name):
            told[name] = getattr(error, name)
    return told


def run(plan: dict[str, Any]) -> dict[str, Any]:
    if plan.get("wait"):
        say({"event": "idle"})
        os.read(plan["go"], 1)
    options: dict[str, Any] = {"executor": "process", "workers": 2} | plan.get("options", {})
    if options.pop("contained", False):
        options["worker_init"] = centimane.contain_processes
    announced = False

    def on_result(_: Any) -> None:
        nonlocal announced
        if plan.get("announce") and not announced:
            announced = True
            say({"event": "running"})

    if plan.get("announce"):
        options["on_result"] = on_result
    items = [argument(task) for task in plan["tasks"]] * plan.get("times", 1)
    while plan.get("until_interrupted"):
        centimane.parallel_map(work, items, **options)
    if plan.get("until_told"):
        return again_and_again(items, options)
    result = centimane.parallel_map(work, items, **options)
    return {
        "status": result.status.name.lower(),
        "ok": result.ok,
        "outcomes": [described(i) for i in result.item_results()],
    }


def again_and_again(items: list[Any], options: dict[str, Any]) -> dict[str, Any]:
    """Runs until the scene is told to end, each with a line that tells whose work it was; what was wrong in any of them."""
    runs = lost = 0
    wrong: list[Any] = []
    while not os.path.exists(os.path.join(os.environ["TMPDIR"], "go")):
        pids = set()
        outcomes = [described(i) for i in centimane.parallel_map(work, items, **options).item_results()]
        for (deed, number), outcome in zip(items, outcomes, strict=True):
            if outcome.get("error") == "WorkerDied":
                lost += 1
            elif deed == "pid" and "value" in outcome:
                pids.add(outcome["value"])
            elif outcome != {"value": number * number}:
                wrong.append(outcome)
        runs += 1
        say({"event": "run", "pids": sorted(pids)})
    return {"runs": runs, "lost": lost, "wrong": wrong[:10]}


def say(what: dict[str, Any]) -> None:
    line = (json.dumps(what, default=str) + "\n").encode()
    while line:  # a signal cuts a write short
        line = line[os.write(REPORT, line) :]


REPORT = 1


def main() -> None:
    global REPORT
    plan = json.loads(sys.argv[1])
    REPORT = int(plan.get("report", 1))
    before = plan.get("before")
    if before == "threads":
        for _ in range(4):
            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    if before == "ignore_sigchld":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if before == "reap_all":
        threading.Thread(target=reap_all, daemon=True).start()
    if before == "interval_timer":
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    if before == "ignore_sigint":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if before == "close_standard":
        for n in (0, 1, 2):
            os.close(n)
    if before == "few_descriptors":
        resource.setrlimit(resource.RLIMIT_NOFILE, (plan["descriptors"], plan["descriptors"]))
    if before == "directory_gone":
        os.chdir(tempfile.mkdtemp())
        os.rmdir(os.getcwd())
    failure: list[BaseException] = []
    for one in plan["runs"]:
        if plan.get("in_thread"):
            thread = threading.Thread(target=lambda one=one: say(run(one)))
            thread.start()
            thread.join()
            continue
        try:
            say(run(one))
        except BaseException as error:
            say({"raised": type(error).__name__, "text": str(error)})
            failure.append(error)
    if before == "interval_timer":
        signal.setitimer(signal.ITIMER_REAL, 0)  # the interpreter's own end restores the default action, which is death
    after = plan.get("after")
    if after == "fork_and_use":
        child = os.fork()
        if child == 0:
            try:
                say(run(plan["runs"][0]))
            except BaseException as error:
                say({"raised": type(error).__name__, "text": str(error)})
            os._exit(0)
        os.waitpid(child, 0)
    if after == "fork_and_wait":
        child = os.fork()
        if child == 0:
            signal.pause()
        say({"child": child})
        signal.pause()
    if after == "exit_at_once":
        os._exit(0)
    if after == "exec":
        os.execv("/bin/true", ["true"])
    if after == "wait":
        say({"event": "idle"})
        signal.pause()


def reap_all() -> None:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.001)


if __name__ == "__main__":
    main()
