"""Threads for executor "thread": started when the engine asks for hands, kept for a while for the next run."""

from __future__ import annotations

import itertools
import os
import sys

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


def stack_of(ident: int) -> str:
    """Where one of these threads is in the user's code, most recent call first; empty if it is in none."""
    lines: list[str] = []
    frame = sys._current_frames().get(ident)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_code is not _live.__code__:
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_qualname}\n')
        frame = frame.f_back
    return "".join(lines)


_core.set_threads(start, stack_of)
# A fork has none of its parent's threads: its first run must not wait for them.
os.register_at_fork(after_in_child=_core.forget_hands)
