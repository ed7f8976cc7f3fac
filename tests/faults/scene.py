"""Runs a scenario of either face in a process of its own and looks at what it leaves behind."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MARK = "CENTIMANE_TEST_SCENE"
#: A watchdog, not an expectation: what takes longer hangs.
PATIENCE = float(os.environ.get("CENTIMANE_TEST_PATIENCE", "300"))


def command(face: str) -> list[str]:
    if face == "python":
        return [sys.executable, str(HERE / "scenario.py")]
    return [os.environ["CENTIMANE_SCENARIO"]]


def marks_of(face: str) -> Any:
    """The C++ scenario program is built by the project's own build; without it, its half is skipped."""
    program = os.environ.get("CENTIMANE_SCENARIO", "")
    missing = face == "cpp" and shutil.which(program) is None
    return (
        [pytest.mark.skip(reason="CENTIMANE_SCENARIO does not name the built C++ scenario program")] if missing else []
    )


class Scene:
    """A scenario under way: its lines, its processes, its end."""

    def __init__(
        self,
        face: str,
        plan: dict[str, Any],
        *,
        env: dict[str, str] | None = None,
        before: list[str] | None = None,
        stdout: int = subprocess.DEVNULL,
    ) -> None:
        self.mark = uuid.uuid4().hex
        self.read, write = os.pipe()
        #: TMPDIR of the scene: what others do in /tmp meanwhile is not its business, and whatever stays here is a leak
        self.folder = Path(tempfile.mkdtemp(prefix="scene-"))
        waited_on, self.go = os.pipe()
        plan = plan | {"report": write, "runs": [run | {"go": waited_on} for run in plan["runs"]]}
        self.process = subprocess.Popen(
            # Who started the tests may ignore these, as nohup and a background job of a shell do; scenes are about them.
            ["env", "--default-signal=INT,HUP", *(before or []), *command(face), json.dumps(plan)],
            env=os.environ | (env or {}) | {MARK: self.mark, "TMPDIR": str(self.folder)},
            pass_fds=[write, waited_on],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(write)
        os.close(waited_on)
        self.rest = b""
        self.deadline = time.monotonic() + PATIENCE

    def line(self) -> dict[str, Any] | None:
        """The next line it prints; None at its end."""
        while b"\n" not in self.rest:
            if not select.select([self.read], [], [], max(0.0, self.deadline - time.monotonic()))[0]:
                raise AssertionError(f"hangs: {self.stacks()}")
            more = os.read(self.read, 1 << 20)
            if not more:
                return None
            self.rest += more
        first, self.rest = self.rest.split(b"\n", 1)
        told: dict[str, Any] = json.loads(first)
        return told

    def lines(self) -> list[dict[str, Any]]:
        return list(iter(self.line, None))

    def expect_on_stderr(self, text: bytes) -> None:
        """Reads what the driver and its workers write there until that text has come; others may have it open for longer."""
        assert self.process.stderr is not None
        told = b""
        while text not in told:
            assert select.select([self.process.stderr], [], [], max(0.0, self.deadline - time.monotonic()))[0], told
            more = os.read(self.process.stderr.fileno(), 65536)
            assert more, told
            told += more

    def go_on(self) -> None:
        """Lets a run begin that was to wait."""
        os.write(self.go, b".")

    def tell(self) -> None:
        """From now on no ``square_when_told`` waits any more."""
        (self.folder / "go").touch()

    def others(self) -> list[int]:
        """Every process of this scene but the driver: zygotes, workers, and what they have started."""
        return [pid for pid in marked(self.mark) if pid != self.process.pid]

    def end(self) -> int:
        """Waits for the driver; then nothing of the scene may be left."""
        try:
            code = self.process.wait(max(0.1, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end: {self.stacks()}") from None
        self.expect_nothing_left()
        return code

    def expect_nothing_left(self) -> None:
        """Within the second that a dead driver's workers are given; told by their pidfds, not by a sleep."""
        until = time.monotonic() + float(os.environ.get("CENTIMANE_TEST_GONE", "5"))
        for pid in self.others():
            if not gone(pid, until):
                raise AssertionError(f"left behind: {self.stacks()}")
        assert set(os.listdir(self.folder)) <= {"go"}

    def close(self) -> None:
        for pid in marked(self.mark):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        os.close(self.read)
        shutil.rmtree(self.folder)
        os.close(self.go)
        if self.process.stderr is not None:
            self.process.stderr.close()

    def stacks(self) -> str:
        told = []
        for pid in marked(self.mark):
            try:
                told.append(
                    f"{pid}: {Path(f'/proc/{pid}/cmdline').read_bytes()[:80]!r} {Path(f'/proc/{pid}/wchan').read_text()}"
                )
            except OSError:
                continue
        return "; ".join(told)


def marked(mark: str) -> list[int]:
    """The processes that carry the scene's mark in their environment, however they were re-parented."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if wanted in Path(entry.path, "environ").read_bytes() and "Z" not in state(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def gone(pid: int, until: float) -> bool:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], max(0.0, until - time.monotonic()))[0])
    finally:
        os.close(fd)


def residue() -> set[str]:
    """Names in shared memory that outlive processes."""
    place = Path("/dev/shm")
    return {str(p) for p in place.iterdir() if "centimane" in p.name} if place.is_dir() else set()
