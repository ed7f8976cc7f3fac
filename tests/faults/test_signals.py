"""Section D: signals to the driver, its group, and everybody in it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from .scene import Scene

HANG: list[list[Any]] = [["square", 1], ["hang", 0], ["hang", 0], ["hang", 0]]
SQUARES: list[list[Any]] = [["square", n] for n in range(200)]


@pytest.mark.parametrize("group", [True, False], ids=["whole_group", "driver_only"])
@pytest.mark.parametrize("face", ["python"])
def test_39_ctrl_c(face: str, group: bool, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": HANG, "announce": True}]})
    assert it.line() == {"event": "running"}
    if group:
        os.killpg(it.process.pid, signal.SIGINT)
    else:
        it.process.send_signal(signal.SIGINT)
    (line,) = it.lines()
    assert line["raised"] == "KeyboardInterrupt", line
    assert it.end() == 0


@pytest.mark.parametrize("face", ["python"])
def test_39_ctrl_c_while_the_driver_is_busy_with_results(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": SQUARES, "times": 50, "announce": True, "until_interrupted": True}]})
    assert it.line() == {"event": "running"}
    it.process.send_signal(signal.SIGINT)
    (line,) = it.lines()
    assert line.get("raised") == "KeyboardInterrupt", line
    assert it.end() == 0


def test_39_started_in_the_background_sigint_stays_ignored(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(
        face,
        {
            "runs": [{"tasks": [["square", 1]] + [["square_when_told", n] for n in range(100)], "announce": True}],
            "before": "ignore_sigint",
        },
    )
    assert it.line() == {"event": "running"}
    os.killpg(it.process.pid, signal.SIGINT)
    it.tell()
    (line,) = it.lines()
    assert line["ok"], line
    assert it.end() == 0


def test_41_signals_all_the_time(face: str, stage: Callable[..., Scene]) -> None:
    tasks = SQUARES[:100] + [["sigkill", 0]] + SQUARES[101:] + [["large", 3 << 20]]
    it = stage(face, {"runs": [{"tasks": tasks}], "before": "interval_timer"})
    (line,) = it.lines()
    assert line["outcomes"][100]["error"] == "WorkerDied"
    del line["outcomes"][100]
    assert all("value" in o for o in line["outcomes"])
    assert it.end() == 0
