"""Fault 70: the system calls that old kernels do not have and containers' filters refuse. Everything works without them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .refuse_calls import NUMBERS, number_of
from .scene import Scene

REFUSE = [sys.executable, str(Path(__file__).parent / "refuse_calls.py")]
TASKS: list[list[Any]] = [["square", n] for n in range(20)] + [["sigkill", 0], ["hang", 0], ["exit", 3]]


@pytest.mark.parametrize("calls", [*NUMBERS, ",".join(NUMBERS)], ids=[*NUMBERS, "all_of_them"])
def test_70_refused(face: str, calls: str, stage: Callable[..., Scene]) -> None:
    """Deaths are seen, and what hangs is killed."""
    it = stage(
        face,
        {"runs": [{"tasks": TASKS, "options": {"task_timeout": 1.0}}, {"tasks": TASKS[:20]}]},
        before=[*REFUSE, calls],
    )
    first, second = it.lines()
    values = [{"value": n * n} for n in range(20)]
    assert first["outcomes"][:20] == values, first
    assert [o["error"] for o in first["outcomes"][20:]] == ["WorkerDied", "TaskTimeout", "WorkerDied"], first
    assert first["outcomes"][20]["signal"] == 9
    assert first["outcomes"][22]["exit_code"] == 3
    assert second["outcomes"] == values
    assert it.end() == 0


@pytest.mark.parametrize("call", NUMBERS)
def test_the_filter_bites(call: str) -> None:
    said = subprocess.run(
        [
            *REFUSE,
            call,
            sys.executable,
            "-c",
            f"import ctypes; c = ctypes.CDLL(None, use_errno=True); print(c.syscall({number_of(call)}, -1, -1, -1, -1), ctypes.get_errno())",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == "-1 1\n"
