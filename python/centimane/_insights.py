"""Where a run's time went: what ``result.insights`` and ``stream.insights`` give."""

# ruff: noqa: RUF023  # slots stand in the order of the arguments

from __future__ import annotations

from ._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_SLOWEST = 10


class WorkerInsights(Record):
    """One worker, by its index; a process that took the place of another counts as the same worker.

    Attributes:
        worker: its index, from 0.
        pid: of its last process; 0 for a thread, and where times were not asked for.
        processes: how many there were in a row; 0 for a thread.
        items: that had their outcome here.
        attempts: that ended here, those that were made again included.
        busy: seconds with attempts.
        running: of these, seconds in the function.
        serialisation: of these, seconds spent on reading items and writing results.
        idle: seconds in which the run went on and the worker was there, but not busy.
        start_up: seconds from the order to fork until ready, for processes that the run started.

    Times are 0 unless the run was asked for them by ``insights=True`` (or ``trace=`` or ``on_event=``).
    """

    __slots__ = (
        "worker",
        "pid",
        "processes",
        "items",
        "attempts",
        "busy",
        "running",
        "serialisation",
        "idle",
        "start_up",
    )

    worker: int
    pid: int
    processes: int
    items: int
    attempts: int
    busy: float
    running: float
    serialisation: float
    idle: float
    start_up: float


class SlowItem(Record):
    """An attempt that took long.

    Attributes:
        index: the item (with ``chunksize``: the first one of its chunk).
        attempt: which one, from 1.
        worker: where it ran, -1 if that is not known.
        seconds: in the function.
    """

    __slots__ = ("index", "attempt", "worker", "seconds")

    index: int
    attempt: int
    worker: int
    seconds: float


class Insights(Record):
    """Where a run's time went. ``print`` it for a table.

    Attributes:
        detailed: were times asked for (``insights=True``)? Else the workers' are 0.
        elapsed: seconds since the run began, until it ended.
        items: with an outcome.
        failed: of these, without a value.
        attempts: in all.
        encoding: seconds the driver spent on writing items for workers and handing them over.
        decoding: seconds the driver spent on reading results.
        workers: a ``WorkerInsights`` each, of those that had something to do or were there for this run.
        slowest: a ``SlowItem`` each, at most ten, the slowest first.

    Immutable; may be read by any number of threads.
    """

    __slots__ = (
        "detailed",
        "elapsed",
        "items",
        "failed",
        "attempts",
        "encoding",
        "decoding",
        "workers",
        "slowest",
    )

    detailed: bool
    elapsed: float
    items: int
    failed: int
    attempts: int
    encoding: float
    decoding: float
    workers: tuple[WorkerInsights, ...]
    slowest: tuple[SlowItem, ...]

    def __str__(self) -> str:
        what = f"{self.items} item{'' if self.items == 1 else 's'}"
        lines = [f"{what} in {_text(self.elapsed)}, {self.failed} failed, {self.attempts} attempts"]
        if self.detailed:
            lines.append(
                f"{'worker':<10}{'pid':>8}{'items':>10}{'busy':>10}{'idle':>10}{'start-up':>10}{'serialise':>10}"
            )
            lines += [
                f"{w.worker:<10}{w.pid:>8}{w.items:>10}{_text(w.busy):>10}{_text(w.idle):>10}{_text(w.start_up):>10}"
                f"{_text(w.serialisation):>10}"
                for w in self.workers
            ]
            lines.append(f"driver: encoding {_text(self.encoding)}, decoding {_text(self.decoding)}")
        else:
            lines += [f"worker {w.worker:<4}{w.items:>10} items" for w in self.workers]
        lines += [
            f"item {s.index}: {_text(s.seconds)}" + (f" on worker {s.worker}" if s.worker >= 0 else "")
            for s in self.slowest
        ]
        if not self.detailed:
            lines.append("(times of workers are taken on request: insights=True)")
        return "\n".join(lines)


def _text(seconds: float) -> str:
    """Three digits and a unit."""
    for unit in ("s", "ms", "us"):
        if seconds >= 0.9995:
            return f"{seconds:.3g} {unit}" if seconds < 999.5 else f"{seconds:.0f} {unit}"
        seconds *= 1000
    return f"{seconds:.0f} ns"


NOTHING = (False, 0.0, 0, 0, 0, 0.0, 0.0, (), ())
"""Of a run that has not begun."""


def insights_of(raw: tuple[Any, ...], durations: Sequence[float] | None = None) -> Insights:
    """What the engine has told, as an object. ``durations``: the items', where the engine has not looked for the slowest itself."""
    *counts, workers, slowest = raw
    if not slowest and durations is not None:
        slowest = _slowest(durations)
    return Insights(*counts, tuple(WorkerInsights(*one) for one in workers), tuple(SlowItem(*one) for one in slowest))


def _slowest(durations: Sequence[float]) -> list[tuple[int, int, int, float]]:
    import heapq

    top = heapq.nlargest(_SLOWEST, range(len(durations)), key=durations.__getitem__)
    return [(i, 1, -1, durations[i]) for i in top if durations[i] >= 0]
