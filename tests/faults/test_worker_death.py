"""Section A, what a plan alone cannot tell: deaths at named points of a task's life, while idle, and at a worker's own end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .scene import PATIENCE, Scene, marks_of

COUNT = 60
SQUARES: list[list[Any]] = [["square", n] for n in range(COUNT)]
VALUES = [{"value": n * n} for n in range(COUNT)]
RUN = {"tasks": SQUARES}


def at(point: str, nth: int, action: str = "kill") -> dict[str, str]:
    """Every worker does this at its own nth passage."""
    return {"CENTIMANE_FAULT_POINT": f"{point}:{nth}:{action}"}


@pytest.mark.parametrize("point", ["worker.start", "worker.armed", "worker.before_ready"])
def test_01_every_worker_dies_before_it_is_ready(face: str, point: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [RUN]}, env=at(point, 1))
    (line,) = it.lines()
    told = {line["raised"]} if "raised" in line else {outcome["error"] for outcome in line["outcomes"]}
    assert told == {"StartFailed"}, line
    assert it.end() == 0


def test_02_workers_are_killed_while_idle(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": [["pid", 0]] * COUNT}, RUN | {"wait": True}]})
    line = it.line()
    assert line is not None
    assert it.line() == {"event": "idle"}
    for pid in {outcome["value"] for outcome in line["outcomes"]}:
        os.kill(pid, signal.SIGKILL)
    it.go_on()
    (line,) = it.lines()
    assert line["outcomes"] == VALUES
    assert it.end() == 0


def test_03_died_between_the_claim_and_the_users_code(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [RUN]}, env=at("worker.after_claim", 7))
    (line,) = it.lines()
    assert line["outcomes"] == VALUES
    assert it.end() == 0


def test_03_a_task_that_no_worker_lives_to_begin(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": SQUARES[:1]}]}, env=at("worker.after_claim", 1))
    (line,) = it.lines()
    assert [(o["error"], o["stage"], o["signal"]) for o in line["outcomes"]] == [("WorkerDied", "claim", 9)], line
    assert it.end() == 0


def test_10_died_with_a_result_half_written(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [RUN]}, env=at("worker.half_written", 7))
    (line,) = it.lines()
    died = [o for n, o in enumerate(line["outcomes"]) if o != {"value": n * n}]
    assert {(o["error"], o["stage"], o["signal"]) for o in died} == {("WorkerDied", "write_result", 9)}
    # Each worker brings six results home, then dies of its seventh.
    assert COUNT // 7 - 1 <= len(died) <= COUNT // 7
    assert it.end() == 0


@pytest.mark.parametrize("nth", [1, 7])
def test_11_died_after_the_commit(face: str, nth: int, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [RUN]}, env=at("worker.after_commit", nth))
    (line,) = it.lines()
    assert line["outcomes"] == VALUES
    assert it.end() == 0


@pytest.mark.parametrize("face", [pytest.param("cpp", marks=marks_of("cpp"))])
def test_15_poison(face: str, stage: Callable[..., Scene]) -> None:
    tasks = SQUARES[:30] + [["sigkill", 0]] + SQUARES[31:]
    it = stage(face, {"runs": [{"tasks": tasks, "options": {"attempts": 3}}, RUN]})
    first, second = it.lines()
    assert first["outcomes"][30]["error"] == "WorkerDied"
    assert first["outcomes"][30]["poison"] is True
    assert [o for n, o in enumerate(first["outcomes"]) if n != 30] == [o for n, o in enumerate(VALUES) if n != 30]
    assert second["outcomes"] == VALUES
    assert it.end() == 0


@pytest.mark.parametrize("deed", ["never_ends", "dies_at_its_end"])
def test_18_63_a_worker_that_ends_badly_after_its_last_result(
    face: str, deed: str, stage: Callable[..., Scene]
) -> None:
    it = stage(face, {"runs": [{"tasks": [[deed, n] for n in range(6)], "options": {"max_tasks_per_worker": 2}}, RUN]})
    first, second = it.lines()
    assert first["outcomes"] == VALUES[:6]
    assert second["outcomes"] == VALUES
    assert it.end() == 0


def test_30_stopped_while_writing_and_out_of_time(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(
        face,
        {"runs": [{"tasks": SQUARES[:12], "options": {"task_timeout": 0.3}}]},
        env=at("worker.half_written", 5, "stop"),
    )
    (line,) = it.lines()
    late = [o for n, o in enumerate(line["outcomes"]) if o != {"value": n * n}]
    assert {o["error"] for o in late} == {"TaskTimeout"}
    assert 1 <= len(late) <= 2
    assert it.end() == 0


def test_38_a_worker_that_no_kill_ends(face: str, stage: Callable[..., Scene]) -> None:
    """Its first kill has no effect, as if it waited in the kernel: others go on, and after five seconds it is given up."""
    first = {"tasks": [["ignore_and_hang", 0], *SQUARES], "options": {"task_timeout": 1.0, "workers": 1}}
    second = {"tasks": [["square_when_told", n] for n in range(COUNT)], "options": {"workers": 1}}
    it = stage(face, {"runs": [first, second]}, env=at("pidfd.kill_without_effect", 1, "errno=1"))
    line = it.line()
    assert line is not None
    assert line["outcomes"][0]["error"] == "TaskTimeout", line
    assert line["outcomes"][1:] == VALUES
    it.expect_on_stderr(b"does not end: it waits in the kernel")
    it.tell()
    (line,) = it.lines()
    assert line["outcomes"] == VALUES
    assert it.end() == 0


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:  # it has just ended
        return ""


def test_46_what_tasks_detach_goes_on_and_is_counted(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": [["leave_daemon", 2], ["leave_daemon", 3]], "options": {"workers": 1}}]})
    (line,) = it.lines()
    assert line["outcomes"] == [{"value": 4}, {"value": 9}]
    it.expect_on_stderr(b"2 processes that its tasks had detached")
    assert it.process.wait(PATIENCE) == 0
    daemons: list[int] = []
    while len(daemons) < 2:  # one may not have become the other program yet
        daemons = [pid for pid in it.others() if name_of(pid) == "sleep\n"]
    for pid in daemons:
        os.kill(pid, signal.SIGKILL)
    assert it.end() == 0
