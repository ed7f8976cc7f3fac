"""The leak check: what a test must give back. Threads, descriptors, shared memory, whatever stands in TMPDIR (a folder of the test's own),
and every process that carries the test's mark in its environment (a list of children would miss what was re-parented).

Warm things (idle hands and pools) are let go first: keeping them is no leak, losing them would be one.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

MARK = "CENTIMANE_TEST_MARK"

#: How long the dying may take before they count as left behind. A watchdog, no expectation.
PATIENCE = float(os.environ.get("CENTIMANE_TEST_PATIENCE", "20"))


def _listing(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def _that_stay(names: set[str]) -> set[str]:
    """Which of these in /dev/shm, that the whole machine has in common, do not go: a test beside this one takes its own away."""
    latest = time.monotonic() + PATIENCE
    while names and time.monotonic() < latest:
        time.sleep(0.05)
        names &= _listing("/dev/shm")
    return names


def _descriptors() -> Counter[str]:
    """What each descriptor is, without the numbers that tell one pipe from another."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the one that lists
            continue
        found[target.split(":")[0] if ":[" in target else target] += 1
    return found


def marked_processes(mark: str) -> set[int]:
    """All processes but this one whose environment has the mark."""
    wanted = f"{MARK}={mark}".encode()
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as environment:
                if wanted in environment.read().split(b"\0"):
                    found.add(int(name))
        except OSError:  # gone, or somebody else's
            continue
    return found


def wait_for_end(pids: set[int]) -> set[int]:
    """Waits for processes to end, told by their pidfds; answers those that did not in time."""
    left = set()
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([descriptor], [], [], PATIENCE)[0]:
                left.add(pid)
        finally:
            os.close(descriptor)
    return left


@dataclass
class Surroundings:
    """What is there at one moment."""

    mark: str
    threads: frozenset[str] = field(default_factory=frozenset)
    descriptors: Counter[str] = field(default_factory=Counter)
    shared: frozenset[str] = field(default_factory=frozenset)
    temporary: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def now(cls, mark: str) -> Surroundings:
        return cls(
            mark,
            frozenset(f"{thread.name} ({thread.ident})" for thread in threading.enumerate()),
            _descriptors(),
            _listing("/dev/shm"),
            _listing(os.environ["TMPDIR"]),
        )

    def expect_nothing_new(self) -> None:
        """Compares with the present; lists every difference."""
        left = wait_for_end(marked_processes(self.mark))
        after = Surroundings.now(self.mark)
        named = {name for name in after.shared - self.shared if "centimane" in name}
        new = {
            "processes": sorted(left),
            "threads": sorted(after.threads - self.threads),
            "descriptors": dict(after.descriptors - self.descriptors),
            "/dev/shm": sorted(_that_stay(named)),
            "temporary files": sorted(after.temporary - self.temporary),
        }
        assert not any(new.values()), f"left behind: { {what: which for what, which in new.items() if which} }"


def let_go_of_warm_things(but: frozenset[str] = frozenset()) -> None:
    """Ends idle hands and warm pools of this process, except for threads that were there before the test."""
    from centimane import _core, _processes

    _processes.close_all(grace=0)
    if (children := sys.modules.get("centimane._children")) is not None:
        children.close_idle()
    _core.forget_handed_out()  # shared memory that is kept for whoever was to take it
    assert _core.dismiss_hands(PATIENCE) == 0, "a hand is still at work"
    # A dismissed hand is out of our call; the thread around it ends by itself.
    for thread in threading.enumerate():
        if thread.name.startswith("centimane-") and f"{thread.name} ({thread.ident})" not in but:
            thread.join(PATIENCE)
