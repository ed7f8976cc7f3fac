"""Whatever processes a competitor starts are told by a mark in their environment, or by descent where they overwrite it.

Nothing that a competitor starts may disturb the others' rounds or outlive the contest: not its workers, not its daemons.
"""

import contextlib
import ctypes
import os
import signal
import time

MARK = "CENTIMANE_BENCH"
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans(whether: bool = True) -> None:
    """Makes this process the parent of daemons below it that lost theirs, so that they can still be found."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(whether), 0, 0, 0)


def _all() -> dict[int, int]:
    """Every process that lives, with its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    found[int(name)] = int(parent)
    return found


def _marked(pid: int, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:  # gone, or somebody else's
        return False


def family(root: int, mark: str) -> set[int]:
    """`root`, what descends from it, and what bears the mark. Never this process."""
    everybody = _all()
    wanted = f"{MARK}={mark}".encode()
    found = {pid for pid in everybody if _marked(pid, wanted)} | ({root} & everybody.keys())
    found.discard(os.getpid())
    while True:
        more = {pid for pid, parent in everybody.items() if parent in found} - found
        if not more:
            return found
        found |= more


def orphans() -> set[int]:
    """Children that this process still has when all that it started have ended, with all that descends from them."""
    found = {pid for pid, parent in _all().items() if parent == os.getpid()}
    return set().union(*(family(pid, "") for pid in found)) if found else set()


def tell(pids: set[int], what: signal.Signals) -> None:
    """A signal to each that still lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


def wait_for(pids: set[int], patience: float) -> None:
    """Waits until they are gone, for so many seconds at most."""
    until = time.monotonic() + patience
    while pids & _all().keys() and time.monotonic() < until:
        time.sleep(0.01)


def _tracker(pid: int) -> bool:
    """Is it one of those processes that unlink names in /dev/shm when their clients are gone?"""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"resource_tracker" in file.read()
    except OSError:
        return False


def end(pids: set[int]) -> None:
    """Ends them for good and waits until they are gone. Who cleans up after the others may do so first."""
    trackers = {pid for pid in pids if _tracker(pid)}
    tell(pids - trackers, signal.SIGKILL)
    tell(trackers, signal.SIGCONT)
    wait_for(pids - trackers, 10)
    wait_for(trackers, 3)
    tell(trackers, signal.SIGKILL)
    wait_for(trackers, 10)
    for pid in pids:  # those that this process has adopted
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.waitpid(pid, os.WNOHANG)


def cpu_seconds(root: int, mark: str) -> float:
    """What a family has used of the processors so far, to the nanosecond."""
    total = 0
    for pid in family(root, mark):
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file,
                ):
                    total += int(file.read().split()[0])
    return total / 1e9
