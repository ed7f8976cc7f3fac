"""Sections E, F and K: threads and closed descriptors in the driver, few resources, a directory that is gone, mounts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from .scene import Scene

SQUARES: list[list[Any]] = [["square", n] for n in range(50)]
VALUES = [{"value": n * n} for n in range(50)]
RUN = {"runs": [{"tasks": SQUARES}]}


@pytest.mark.parametrize("before", ["close_standard", "directory_gone"])
def test_74_a_bare_driver(face: str, before: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, RUN | {"before": before})
    (line,) = it.lines()
    assert line.get("outcomes") == VALUES, line
    assert it.end() == 0


@pytest.mark.parametrize("face", ["python"])
def test_44_the_driver_has_threads(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, RUN | {"before": "threads"})
    (line,) = it.lines()
    assert line["outcomes"] == VALUES
    assert it.end() == 0


@pytest.mark.parametrize("descriptors", [6, 10, 12, 16, 20, 24, 28, 32, 48])
def test_49_few_descriptors(face: str, descriptors: int, stage: Callable[..., Scene]) -> None:
    it = stage(face, RUN | {"before": "few_descriptors", "descriptors": descriptors})
    (line,) = it.lines()
    if "raised" in line:
        assert line["raised"] in {"ResourceLimit", "StartFailed"}, line
    else:
        assert line["outcomes"] == VALUES or {o.get("error") for o in line["outcomes"]} == {"StartFailed"}, line
    assert it.end() == 0


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
@pytest.mark.parametrize(
    "mount",
    [
        "mount -t tmpfs -o size=64m none /dev/shm",
        "mount -t tmpfs -o ro none /dev/shm",
        "mount -t tmpfs -o size=4k none /dev/shm && ! head -c 8192 /dev/zero > /dev/shm/full 2>/dev/null",
    ],
    ids=["64_mb", "read_only", "full"],
)
def test_69_shared_memory_file_system(face: str, mount: str, stage: Callable[..., Scene]) -> None:
    tasks = [*SQUARES, ["large", 100 << 20]]
    it = stage(face, {"runs": [{"tasks": tasks}]}, before=["unshare", "-m", "sh", "-c", f'{mount}; exec "$@"', "sh"])
    (line,) = it.lines()
    assert line["outcomes"][:50] == VALUES, line
    assert line["outcomes"][50] == {"value": f"str of {100 << 20}"}
    assert it.end() == 0


@pytest.mark.parametrize("quota", [1, 2, 3])
def test_12_recycling_after_so_many_tasks(face: str, quota: int, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": [["pid", 0]] * 300, "options": {"max_tasks_per_worker": quota}}]})
    (line,) = it.lines()
    pids = [o["value"] for o in line["outcomes"]]
    assert max(pids.count(p) for p in set(pids)) <= quota
    assert it.end() == 0


def test_14_every_task_kills_its_worker(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": [["sigkill", 0]] * 60}, {"tasks": SQUARES}]})
    first, second = it.lines()
    assert [o["error"] for o in first["outcomes"]] == ["WorkerDied"] * 60
    assert second["outcomes"] == VALUES
    assert it.end() == 0


def test_29_a_hundred_tasks_pass_their_limit(face: str, stage: Callable[..., Scene]) -> None:
    tasks = [["hang", 0]] * 20 + SQUARES
    it = stage(face, {"runs": [{"tasks": tasks, "options": {"task_timeout": 1.0, "workers": 10}}]})
    (line,) = it.lines()
    assert [o.get("error") for o in line["outcomes"][:20]] == ["TaskTimeout"] * 20
    assert line["outcomes"][20:] == VALUES
    assert it.end() == 0


def test_31_both_directions_full(face: str, stage: Callable[..., Scene]) -> None:
    it = stage(face, {"runs": [{"tasks": [["echo", 8 << 20]] * 40}]})
    (line,) = it.lines()
    assert line["outcomes"] == [{"value": f"str of {8 << 20}"}] * 40
    assert it.end() == 0
