"""Fault 53: more shared memory than a control group allows. The kernel would kill for it; the item fails by name instead."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .scene import Scene

MIB = 1 << 20
LIMIT = 400 * MIB


def unified(path: Path) -> bool:
    return (path / "cgroup.controllers").exists()


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory group of our own, below the one we are in, in whichever hierarchy there is."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, where = line.split(":", 2)
        if "memory" in controllers.split(","):
            parent = Path("/sys/fs/cgroup/memory" + where)
            break
    else:
        parent = Path("/sys/fs/cgroup" + where)
    made = parent / f"centimane-test-{uuid.uuid4().hex[:8]}"
    limit = "memory.max" if unified(parent) else "memory.limit_in_bytes"
    try:
        made.mkdir()
        (made / limit).write_text(str(LIMIT))
    except OSError as refused:
        if made.exists():
            made.rmdir()
        pytest.skip(f"no memory group can be made here: {refused}")
    yield made
    made.rmdir()


def within(group: Path) -> list[str]:
    """A command prefix that enters the group."""
    return ["/bin/sh", "-c", f'echo $$ > {group / "cgroup.procs"}; exec "$0" "$@"']


def test_a_result_beyond_the_limit_is_refused(face: str, group: Path, stage: Callable[..., Scene]) -> None:
    """The worker's own 220 MiB fit, the shared copy does not: its task is told so, and nobody is killed."""
    tasks = [["square", 2], ["large", 220 * MIB], ["square", 3]]
    it = stage(face, {"runs": [{"tasks": tasks, "options": {"workers": 1}}]}, before=within(group))
    (line,) = it.lines()
    first, large, last = line["outcomes"]
    assert (first, last) == ({"value": 4}, {"value": 9})
    assert large["error"] == "ResourceLimit", large
    assert "memory limit" in large["text"]
    assert it.end() == 0


def test_an_argument_beyond_the_limit_is_refused(face: str, group: Path, stage: Callable[..., Scene]) -> None:
    tasks = [["square", 2], ["echo", 220 * MIB], ["square", 3]]
    it = stage(face, {"runs": [{"tasks": tasks, "options": {"workers": 1}}]}, before=within(group))
    (line,) = it.lines()
    first, large, last = line["outcomes"]
    assert (first, last) == ({"value": 4}, {"value": 9})
    assert large["error"] == "ResourceLimit", large
    assert it.end() == 0


def test_51_who_eats_the_memory_is_named(face: str, group: Path, stage: Callable[..., Scene]) -> None:
    """The kernel ends the worker, not the driver and not the zygote; the error says what it likely was."""
    tasks = [["square", 2], ["eat", 2 * LIMIT], ["square", 3]]
    it = stage(
        face, {"runs": [{"tasks": tasks, "options": {"workers": 1}}, {"tasks": [["square", 4]]}]}, before=within(group)
    )
    first, second = it.lines()
    two, eaten, three = first["outcomes"]
    assert (two, three) == ({"value": 4}, {"value": 9})
    assert (eaten["error"], eaten["signal"], eaten["likely_oom"]) == ("WorkerDied", 9, True), eaten
    assert "out-of-memory" in eaten["text"]
    assert second["outcomes"] == [{"value": 16}]
    assert it.end() == 0


def test_what_fits_is_carried(face: str, group: Path, stage: Callable[..., Scene]) -> None:
    """Blocks are used again: many times the limit goes through, one after the other."""
    tasks = [["large", 20 * MIB]] * 4
    it = stage(face, {"runs": [{"tasks": tasks, "options": {"workers": 1}}]}, before=within(group))
    (line,) = it.lines()
    assert line["outcomes"] == [{"value": f"str of {20 * MIB}"}] * 4
    assert it.end() == 0
    assert os.path.isdir(group)
