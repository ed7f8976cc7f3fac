"""The sweep: a worker or zygote dies, stalls or is refused at each named point of its life, at its first, second and later passage.

Whatever happens there, the run ends, each item has one outcome that is true, and nothing is left. The points are read from the source, so
a new one is swept from the day it is written. They are compiled into test builds alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .scene import Scene

SOURCE = Path(__file__).parents[2] / "src"
NAMES = re.compile(r'CENTIMANE_FAULT(_ERRNO)?\("([a-z_.]+)"')
#: Points that the driver itself passes: an action there is done to the test's own side. A limiter's file has its own tests.
DRIVER = ("message.", "pidfd.", "memfd.", "descriptors.", "mapping.", "common_file.", "budget.")
COUNT = 24


def points() -> list[Any]:
    found = {(name, bool(errno)) for path in SOURCE.rglob("*.?pp") for errno, name in NAMES.findall(path.read_text())}
    rows = []
    for name, errno in sorted(found):
        if name == "x" or name.startswith(DRIVER):
            continue
        actions = ["errno=11"] if errno else ["kill", "delay=30"]
        rows += [
            pytest.param(f"{name}:{nth}:{action}", id=f"{name}-{nth}-{action}")
            for action in actions
            for nth in (1, 2, 7)
        ]
    return rows


@pytest.mark.parametrize("point", points())
def test_sweep(face: str, point: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": [["square", n] for n in range(COUNT)]}]}, env={"CENTIMANE_FAULT_POINT": point})
    (line,) = it.lines()
    if "raised" in line:
        assert line["raised"] in {"StartFailed", "ResourceLimit"}, line
    else:
        assert line["status"] == "completed", line
        assert len(line["outcomes"]) == COUNT
        for n, outcome in enumerate(line["outcomes"]):
            assert outcome == {"value": n * n} or outcome["error"] in {"WorkerDied", "StartFailed"}, (n, outcome)
        if "delay" in point:
            assert line["ok"], line
    assert it.end() == 0


def worker_points() -> list[str]:
    return sorted({name for path in SOURCE.rglob("*.?pp") for _, name in NAMES.findall(path.read_text())})


@pytest.mark.parametrize("nth", [1, 5])
@pytest.mark.parametrize("point", [name for name in worker_points() if name.startswith("worker.")])
def test_sweep_with_large_values(face: str, point: str, nth: int, stage: Callable[..., Scene]) -> None:
    """The same deaths, with blocks of shared memory in hand: what arrives is whole."""
    size = 200_000
    it = stage(
        face,
        {"runs": [{"tasks": [["echo", size]] * COUNT}]},
        env={"CENTIMANE_FAULT_POINT": f"{point}:{nth}:kill"},
    )
    (line,) = it.lines()
    if "raised" in line:
        assert line["raised"] in {"StartFailed", "ResourceLimit"}, line
    else:
        assert line["status"] == "completed", line
        for outcome in line["outcomes"]:
            whole = {"value": f"str of {size}"}
            assert outcome == whole or outcome["error"] in {"WorkerDied", "StartFailed"}, outcome
    assert it.end() == 0


def test_the_points_bite(face: str, stage: Callable[..., Scene]) -> None:
    """Without this, a build that has no points would pass the sweep."""
    it = stage(
        face,
        {"runs": [{"tasks": [["square", n] for n in range(COUNT)]}]},
        env={"CENTIMANE_FAULT_POINT": "worker.after_open:1:kill"},
    )
    (line,) = it.lines()
    assert {(o["error"], o["stage"], o["signal"]) for o in line["outcomes"]} == {("WorkerDied", "read_args", 9)}
    assert it.end() == 0
