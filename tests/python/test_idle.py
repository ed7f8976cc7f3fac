"""What waiting costs: nothing. Processes and threads of a pool that has nothing to do are not scheduled at all."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from centimane import parallel_iter, parallel_map

WINDOWS = 60
SECONDS = 0.4
"""Longer than any interval at which a wait would look by itself (the driver's second line behind the bell is 0.1 s)."""


def _switches(pid: int) -> dict[str, int]:
    """How often each thread of a process has been scheduled, by its number. This thread is not counted."""
    counts: dict[str, int] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        if int(task.name) == _this_thread:
            continue
        lines = (task / "status").read_text().splitlines()
        counts[f"{pid}/{task.name}"] = sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return counts


_this_thread = 0


def _nobody_wakes(pids: set[int], windows: int = WINDOWS) -> bool:
    """Is there a stretch in which none of them was scheduled? The work before it may take its time to end; what wakes at intervals
    never leaves one.
    """
    global _this_thread
    _this_thread = threading.get_native_id()
    for _ in range(windows):
        before = {name: n for pid in pids for name, n in _switches(pid).items()}
        time.sleep(SECONDS)
        if before == {name: n for pid in pids for name, n in _switches(pid).items()}:
            return True
    return False


def _family(_: int) -> tuple[int, int]:
    return os.getpid(), os.getppid()


def test_a_pool_that_waits_is_not_scheduled() -> None:
    workers = parallel_map(_family, range(40), executor="process", workers=2)
    pids = {os.getpid()} | {pid for both in workers for pid in both}
    assert len(pids) >= 3
    assert _nobody_wakes(pids)


def test_a_stream_that_is_not_read_is_not_scheduled() -> None:
    stream = parallel_iter(_family, iter(range(10_000)), executor="process", workers=2, window_size=10)
    first = next(stream).value
    assert first is not None
    assert _nobody_wakes({os.getpid(), *first})
    stream.close()  # type: ignore[attr-defined]


def test_threads_that_wait_are_not_scheduled() -> None:
    parallel_map(abs, range(1000), workers=3)
    assert _nobody_wakes({os.getpid()})


def test_the_check_sees_what_wakes_at_intervals() -> None:
    enough = threading.Event()

    def look_again_and_again() -> None:
        while not enough.wait(SECONDS / 4):
            pass

    thread = threading.Thread(target=look_again_and_again)
    thread.start()
    try:
        assert not _nobody_wakes({os.getpid()}, windows=3)
    finally:
        enough.set()
        thread.join()
