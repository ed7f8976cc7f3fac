"""Threads for executor "thread": started when the engine asks for hands, kept for a while for the next run."""

from __future__ import annotations

import itertools
import os

from . import _core

IDLE_SECONDS = 5.0

_numbers = itertools.count()


def _live() -> None:
    _core.live_as_hand(IDLE_SECONDS)


def start(n: int) -> int:
    """Starts n threads; answers how many there are now of these. Raises only if not one could be started."""
    import threading

    started = 0
    for _ in range(n):
        try:
            # Daemons: a task that never ends must not keep the process from ending.
            threading.Thread(target=_live, name=f"centimane-{next(_numbers)}", daemon=True).start()
        except RuntimeError:
            if started == 0:
                raise
            break
        started += 1
    return started


_core.set_thread_starter(start)
# A fork has none of its parent's threads: its first run must not wait for them.
os.register_at_fork(after_in_child=_core.forget_hands)
