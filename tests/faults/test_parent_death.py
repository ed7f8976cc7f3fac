"""Section B: whatever ends the driver, its zygote and workers are gone, and no name is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from .scene import Scene, gone

SQUARES: list[list[Any]] = [["square", n] for n in range(20)]
HANG: list[list[Any]] = [["square", 1], ["hang", 0], ["hang", 0]]
BUSY: list[list[Any]] = [["square", 1], ["hang_busy", 0], ["hang_busy", 0]]
STOPPED: list[list[Any]] = [["square", 1], ["sigstop", 0], ["sigstop", 0]]


def running(stage: Callable[..., Scene], face: str, tasks: list[list[Any]], **plan: Any) -> Scene:
    """A driver whose workers are in the middle of these tasks."""
    it = stage(face, {"runs": [{"tasks": tasks, "announce": True}]} | plan)
    assert it.line() == {"event": "running"}
    assert len(it.others()) >= 2
    return it


@pytest.mark.parametrize("tasks", [HANG, BUSY, STOPPED], ids=["sleeping", "busy", "stopped"])
def test_19_driver_killed_while_workers_run(face: str, tasks: list[list[Any]], stage: Callable[..., Scene]) -> None:
    it = running(stage, face, tasks)
    it.process.send_signal(signal.SIGKILL)
    assert it.end() == -signal.SIGKILL


def test_19_driver_killed_while_workers_are_idle(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": SQUARES}], "after": "wait"})
    assert it.line()["ok"]  # type: ignore[index]
    assert it.line() == {"event": "idle"}
    assert it.others()
    it.process.send_signal(signal.SIGKILL)
    assert it.end() == -signal.SIGKILL


@pytest.mark.parametrize(
    "how", [signal.SIGTERM, signal.SIGABRT, signal.SIGSEGV, signal.SIGHUP, signal.SIGQUIT], ids=lambda s: s.name
)
def test_22_driver_ended_by_a_signal(face: str, how: signal.Signals, stage: Callable[..., Scene]) -> None:
    it = running(stage, face, BUSY)
    it.process.send_signal(how)
    assert it.end() == -how


@pytest.mark.parametrize("after", ["exit_at_once", "exec"])
def test_22_driver_leaves_without_a_word(face: str, after: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": SQUARES}], "after": after})
    assert it.line()["ok"]  # type: ignore[index]
    assert it.end() == 0


def test_21_the_thread_that_made_the_pool_ends(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": SQUARES}, {"tasks": SQUARES}, {"tasks": SQUARES}], "in_thread": True})
    assert [line["ok"] for line in it.lines()] == [True, True, True]
    assert it.end() == 0


def test_23_a_fork_of_the_driver_has_workers_of_its_own(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": SQUARES}], "after": "fork_and_use"})
    first, second = it.lines()
    assert first["ok"]
    assert second.get("ok"), second
    assert it.end() == 0


def test_23_a_fork_of_the_driver_keeps_nothing_alive(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": SQUARES}], "after": "fork_and_wait"})
    assert it.line()["ok"]  # type: ignore[index]
    told = it.line()
    assert told is not None
    child = told["child"]
    try:
        it.process.send_signal(signal.SIGKILL)
        it.process.wait()
        for pid in it.others():
            if pid != child:
                assert gone(pid, it.deadline), pid
    finally:
        os.kill(child, signal.SIGKILL)
    it.expect_nothing_left()


@pytest.mark.parametrize("before", ["reap_all", "ignore_sigchld"])
def test_25_40_children_are_reaped_by_strangers(face: str, before: str, stage: Callable[..., Scene]) -> None:
    tasks: list[list[Any]] = [["square", n] for n in range(50)]
    tasks[20] = ["sigkill", 0]
    it = stage(face, {"runs": [{"tasks": tasks}, {"tasks": SQUARES}], "before": before})
    first, second = it.lines()
    assert first["outcomes"][20]["error"] == "WorkerDied"
    assert first["outcomes"][20]["signal"] == 9
    assert [o for n, o in enumerate(first["outcomes"]) if n != 20] == [{"value": n * n} for n in range(50) if n != 20]
    assert second["ok"]
    assert it.end() == 0


def test_26_driver_stopped_and_continued(face: str, stage: Callable[..., Scene]) -> None:
    it = running(stage, face, [["square", 1]] + [["square_when_told", n] for n in range(200)])
    it.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, it.process.pid, os.WSTOPPED | os.WNOWAIT)
    it.process.send_signal(signal.SIGCONT)
    it.tell()
    (line,) = it.lines()
    assert line["ok"], line
    assert it.end() == 0
