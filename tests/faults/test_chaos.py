"""Fault 83: workers die at random moments, now and then with their zygote, again and again, while run follows run."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .scene import Scene, gone

KILLS = 40
#: Among these kills, one of the zygote.
ZYGOTES = (13, 27)
TASKS: list[list[Any]] = [["pid" if n % 10 == 0 else "square", n] for n in range(300)]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("seed", range(2))
def test_83_chaos(face: str, seed: int, stage: Callable[..., Scene]) -> None:
    """Only who has worked is killed: workers that die as soon as they are up would be given up, as they should."""
    print(f"seed {seed}")
    dice = random.Random(seed)
    it = stage(face, {"runs": [{"tasks": TASKS, "until_told": True}, {"tasks": TASKS}]})
    killed = 0
    while killed < KILLS:
        line = it.line()
        assert line is not None
        assert line.get("event") == "run", line
        for pid in dice.sample(line["pids"], len(line["pids"])):
            try:
                os.kill(pid, 0)  # many lines may tell of the dead, since runs are quick: those are read over
                victim = parent(pid) if killed in ZYGOTES else pid
                if victim not in it.others():
                    continue  # an orphan's parent is a stranger
                os.kill(victim, signal.SIGKILL)
            except (ProcessLookupError, FileNotFoundError):
                continue  # it went with its zygote, or was killed before
            assert gone(victim, it.deadline)
            killed += 1
            break
    it.tell()
    *_, chaos, after = it.lines()
    assert chaos["wrong"] == [], chaos
    # Each of the dead had one task in hand at most; with a zygote its two workers go.
    assert chaos["lost"] <= KILLS + len(ZYGOTES), chaos
    assert chaos["runs"] >= KILLS / 2, chaos
    assert all("value" in outcome for outcome in after["outcomes"]), after
    assert it.end() == 0
