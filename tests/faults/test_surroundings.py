"""Sections E, F and K: threads and closed descriptors in the driver, few resources, a directory that is gone, mounts."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
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


@pytest.mark.parametrize("refused", [errno.EMFILE, errno.EAGAIN, errno.ENOMEM], ids=errno.errorcode.get)
def test_49_50_a_replacement_is_refused(face: str, refused: int, stage: Callable[..., Scene]) -> None:
    """The third worker, which a death calls for: it is tried again, and the others go on meanwhile."""
    tasks = [["sigkill", 0] if n in (3, 20) else task for n, task in enumerate(SQUARES)]
    it = stage(
        face,
        {"runs": [{"tasks": tasks}, {"tasks": SQUARES}]},
        env={"CENTIMANE_FAULT_POINT": f"zygote.fork:3:errno={refused}"},
    )
    first, second = it.lines()
    assert [n for n, o in enumerate(first["outcomes"]) if o.get("error") == "WorkerDied"] == [3, 20], first
    assert [o for n, o in enumerate(first["outcomes"]) if n not in (3, 20)] == [
        o for n, o in enumerate(VALUES) if n not in (3, 20)
    ]
    assert second["outcomes"] == VALUES
    assert it.end() == 0


def test_75_nobody_reads_what_is_printed(face: str, stage: Callable[..., Scene]) -> None:
    """Far more than a pipe takes, and its reader is late: nothing is lost, neither a line nor a result."""
    read, write = os.pipe()
    full = fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)
    it = stage(face, {"runs": [{"tasks": [["print", 300], *SQUARES]}]}, stdout=write)
    os.close(write)
    waiting = bytearray(4)
    while True:
        fcntl.ioctl(read, termios.FIONREAD, waiting)
        if int.from_bytes(waiting, sys.byteorder) >= full // 2 or it.process.poll() is not None:
            break
        time.sleep(0.001)
    with open(read, "rb") as pipe:
        printed = pipe.read()
    assert printed.count(b"p" * 1023 + b"\n") == 300
    (line,) = it.lines()
    assert line["outcomes"] == [{"value": 300**2}, *VALUES]
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


def unshared(*flags: str, first: str = "true") -> list[str]:
    """A command prefix: namespaces of its own, prepared by a line of shell."""
    return ["unshare", "-m", *flags, "sh", "-c", f'{first} || exit 99; exec "$@"', "sh"]


needs_unshare = pytest.mark.skipif(
    shutil.which("unshare") is None or os.geteuid() != 0, reason="needs unshare and the right to use it"
)


@needs_unshare
def test_25_the_driver_is_the_first_process(face: str, stage: Callable[..., Scene]) -> None:
    """As in a container: what tasks orphan becomes its child, and dies as a stranger; nothing of that is ours to reap."""
    tasks = [["leave_orphan", n] if n % 5 == 0 else ["square", n] for n in range(50)] + [
        ["sigkill", 0],
        ["kill_zygote", 0],
    ]
    it = stage(
        face, {"runs": [{"tasks": tasks}, {"tasks": SQUARES}]}, before=["unshare", "--pid", "--fork", "--mount-proc"]
    )
    first, second = it.lines()
    died = [o for n, o in enumerate(first["outcomes"]) if o != {"value": n * n}]
    assert [o["error"] for o in first["outcomes"][50:]] == ["WorkerDied"] * 2, first
    # A zygote's end takes its workers along: what the other one had just begun is lost with it.
    assert len(died) <= 3, first
    assert {o["error"] for o in died} == {"WorkerDied"}
    assert second["outcomes"] == VALUES
    assert it.end() == 0


@needs_unshare
@pytest.mark.parametrize(
    "first",
    [
        "unset HOME",
        "mount -t tmpfs -o ro none /proc",
        "mount --bind / / && mount -o remount,ro,bind /",
        "export TMPDIR=/nowhere && mount -t tmpfs -o ro,mode=555 none /tmp",
    ],
    ids=["no_home", "no_proc", "read_only_root", "no_temporary_folder"],
)
def test_72_77_a_bare_system(face: str, first: str, stage: Callable[..., Scene]) -> None:
    tasks = [*SQUARES, ["large", 10 << 20], ["sigkill", 0]]
    it = stage(face, {"runs": [{"tasks": tasks}, {"tasks": SQUARES}]}, before=unshared(first=first))
    one, two = it.lines()
    assert one.get("outcomes", [])[:50] == VALUES, one
    assert one["outcomes"][50] == {"value": f"str of {10 << 20}"}
    assert one["outcomes"][51]["error"] == "WorkerDied"
    assert two["outcomes"] == VALUES
    assert it.end() == 0


@needs_unshare
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_72_a_user_without_a_name(face: str, stage: Callable[..., Scene]) -> None:
    """No entry in passwd, as OpenShift runs containers. It may read what the tests are made of, and that is all."""
    may = "-all,+dac_read_search,+dac_override"
    as_nobody = [
        "setpriv",
        "--reuid=54321",
        "--regid=54321",
        "--clear-groups",
        f"--inh-caps={may}",
        f"--ambient-caps={may}",
    ]
    it = stage(face, {"runs": [{"tasks": SQUARES}]}, before=as_nobody)
    (line,) = it.lines()
    assert line.get("outcomes") == VALUES, line
    assert it.end() == 0


def memory_left() -> int:
    (line,) = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable")]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(memory_left() < 10 << 30, reason="needs 10 GiB of free memory")
def test_60_more_than_31_bits_count(face: str, stage: Callable[..., Scene]) -> None:
    size = (2 << 30) + 5
    it = stage(face, {"runs": [{"tasks": [["square", 2], ["large", size], ["square", 3]], "options": {"workers": 1}}]})
    (line,) = it.lines()
    assert line["outcomes"] == [{"value": 4}, {"value": f"str of {size}"}, {"value": 9}]
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
