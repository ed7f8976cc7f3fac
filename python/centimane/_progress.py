"""Progress bars: tqdm's where it is installed, a plain line otherwise. Both count completed items.

A bar that cannot be drawn, since standard error is closed or its reader is gone, is no reason for a run to end: it falls silent.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol
else:
    Protocol = object


class Bar(Protocol):
    """What a run tells its progress to, a few times a second."""

    def update(self, done: int, total: int) -> None: ...
    def close(self) -> None: ...


class _TqdmBar:
    def __init__(self, make: Callable[..., Any], total: int | None) -> None:
        self._bar = make(total=total, unit="item")

    def update(self, done: int, total: int) -> None:
        if self._bar.total is not None and total > self._bar.total:
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


class _PlainBar:
    """One line on stderr, written again and again on a terminal, every ten seconds elsewhere."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._begin = time.monotonic()
        self._said = self._begin
        self._done = 0
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    def _say(self, end: str) -> None:
        if sys.stderr is None:
            return
        seconds = time.monotonic() - self._begin
        of = f"/{self._total}" if self._total is not None else ""
        share = f" {100 * self._done // self._total}%" if self._total else ""
        rate = f", {self._done / seconds:.0f} items/s" if seconds > 0 else ""
        sys.stderr.write(f"{chr(13) if self._terminal else ''}{self._done}{of}{share} in {seconds:.0f} s{rate}{end}")
        sys.stderr.flush()

    def update(self, done: int, total: int) -> None:
        self._done = done
        now = time.monotonic()
        if self._terminal or now - self._said >= 10:
            self._said = now
            self._say(" " if self._terminal else "\n")

    def close(self) -> None:
        self._say("\n")


class _Quiet:
    """A bar that no longer draws once it could not."""

    def __init__(self, make: Callable[[], Bar]) -> None:
        self._bar: Bar | None = None
        try:
            self._bar = make()
        except (OSError, ValueError):
            pass

    def update(self, done: int, total: int) -> None:
        try:
            if self._bar is not None:
                self._bar.update(done, total)
        except (OSError, ValueError):  # a pipe without a reader, a closed file
            self._bar = None

    def close(self) -> None:
        try:
            if self._bar is not None:
                self._bar.close()
        except (OSError, ValueError):
            self._bar = None


def make_bar(total: int | None) -> Bar:
    """A bar over ``total`` items, or over a number that is not known yet."""
    if sys.stderr is None or sys.stderr.closed:
        return _Quiet(lambda: _PlainBar(total))
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Quiet(lambda: _PlainBar(total))
    return _Quiet(lambda: _TqdmBar(tqdm, total))
