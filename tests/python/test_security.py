"""What docs/security.md says of sockets and descriptors."""

from __future__ import annotations

import os
from pathlib import Path

from centimane import parallel_map


def reachable() -> set[str]:
    """The inodes of all sockets that somebody could connect to: they listen, or have a name."""
    found: set[str] = set()
    for kind in ("tcp", "tcp6"):
        table = Path("/proc/net") / kind
        if table.exists():
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
            found |= {row[9] for row in rows if row[3] == "0A"}
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return found | {row[6] for row in rows if len(row) > 7}


def open_files(_item: int = 0) -> tuple[int, set[str]]:
    """Who asks, and what that process has open."""
    targets: set[str] = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            targets.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:  # the listing's own
            pass
    return os.getpid(), targets


def sockets_of(targets: set[str]) -> set[str]:
    return {target[len("socket:[") : -1] for target in targets if target.startswith("socket:[")}


def test_nobody_can_connect_to_the_driver_or_a_worker() -> None:
    before = sockets_of(open_files()[1])
    seen = parallel_map(open_files, range(64), executor="process", workers=2).values()
    ours = (sockets_of(open_files()[1]) - before).union(*(sockets_of(targets) for _, targets in seen))
    assert ours, "a worker has a control socket"
    assert not ours & reachable()


def test_workers_hold_no_descriptor_of_the_driver_or_of_each_other() -> None:
    with open(__file__) as mine:
        seen = parallel_map(open_files, range(64), executor="process", workers=2).values()
        assert all(mine.name not in targets for _, targets in seen)
    by_worker = {pid: sockets_of(targets) for pid, targets in seen}
    for pid, own in by_worker.items():
        assert own, "a worker has a control socket"
        for other, its in by_worker.items():
            assert other == pid or not own & its
