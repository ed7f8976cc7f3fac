"""What happens in a run, for ``on_event=``: small values, told on the thread that carries the run, as it learns of them.

::

    def watch(event: events.Event) -> None:
        if isinstance(event, events.WorkerDied):
            log.warning("lost worker %d (pid %d)", event.worker, event.pid)

    parallel_map(crunch, inputs, executor="process", on_event=watch)

``at`` and its like are seconds on the monotonic clock (``time.monotonic()``), the same in all processes of the machine. An exception that the
hook raises ends the run and is raised there, as with the other callbacks. Cost: nothing without a hook; with one each attempt is timed and
told, some microseconds.
"""

# ruff: noqa: RUF023  # slots stand in the order of the arguments

from __future__ import annotations

from ._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from ._result import RunStatus

__all__ = [
    "AttemptEnded",
    "Event",
    "ItemsTakenBack",
    "LimiterPaused",
    "RetryScheduled",
    "RunBegun",
    "RunEnded",
    "TaskTimedOut",
    "WorkerDied",
    "WorkerRecycled",
    "WorkerStarted",
]


class Event(Record):
    """The base of all.

    Attributes:
        at: when it happened.
    """

    __slots__ = ()

    at: float


class RunBegun(Event):
    """The run has begun."""

    __slots__ = ("at",)


class RunEnded(Event):
    """The last word of a run. A stream that is left early ends as ``RunStatus.CANCELLED``.

    Attributes:
        status: how it ended.
    """

    __slots__ = ("at", "status")

    status: RunStatus


class AttemptEnded(Event):
    """One try at an item (with ``chunksize``: at a chunk) has ended.

    Attributes:
        index: the item, or the first one of the chunk.
        count: how many items.
        attempt: which try, from 1.
        worker: where; -1 if it was at none, or it is not known.
        outcome: "value", "error", "worker died", "timed out" or "cancelled".
        final: has the item its outcome? Else it is tried again.
        began: when; ``at`` if that is not known.
        running: seconds in the function.
    """

    __slots__ = ("at", "index", "count", "attempt", "worker", "outcome", "final", "began", "running")

    index: int
    count: int
    attempt: int
    worker: int
    outcome: Literal["value", "error", "worker died", "timed out", "cancelled"]
    final: bool
    began: float
    running: float


class RetryScheduled(Event):
    """An item will be tried again.

    Attributes:
        index: the item.
        attempt: the try to come.
        not_before: when it may start.
    """

    __slots__ = ("at", "index", "attempt", "not_before")

    index: int
    attempt: int
    not_before: float


class WorkerStarted(Event):
    """A worker process is ready.

    Attributes:
        worker: its index.
        pid: its process id.
        start_up: seconds from the order to fork; 0 if it was there before the run.
    """

    __slots__ = ("at", "worker", "pid", "start_up")

    worker: int
    pid: int
    start_up: float


class WorkerDied(Event):
    """A worker process has ended without being told to, or was killed for a task that passed its limit.

    Attributes:
        worker: its index.
        pid: its process id.
        signal: what ended it, 0 if none did.
        exit_code: its exit code, -1 if it did not exit by itself.
    """

    __slots__ = ("at", "worker", "pid", "signal", "exit_code")

    worker: int
    pid: int
    signal: int
    exit_code: int


class WorkerRecycled(Event):
    """A worker process has left in order: it had its number of tasks, or was idle for long.

    Attributes:
        worker: its index.
        pid: its process id.
    """

    __slots__ = ("at", "worker", "pid")

    worker: int
    pid: int


class TaskTimedOut(Event):
    """A task has passed its ``task_timeout``. Of a thread it is told once the task has come back.

    Attributes:
        index: the item.
        attempt: which try.
        worker: where.
        pid: of the worker; 0 if it is a thread.
        limit: the timeout in seconds.
    """

    __slots__ = ("at", "index", "attempt", "worker", "pid", "limit")

    index: int
    attempt: int
    worker: int
    pid: int
    limit: float


class ItemsTakenBack(Event):
    """Items that a worker had been sent and not begun go to another one.

    Attributes:
        index: the first item.
        count: how many.
        worker: the worker they were taken from.
        pid: its process id.
    """

    __slots__ = ("at", "index", "count", "worker", "pid")

    index: int
    count: int
    worker: int
    pid: int


class LimiterPaused(Event):
    """An error asked for a wait (``Retry.wait_from``): nothing of the limiter's starts before ``until``.

    Attributes:
        until: the end of the wait.
    """

    __slots__ = ("at", "until")

    until: float


_OUTCOMES = ("value", "error", "worker died", "timed out", "cancelled", "cancelled")


def teller(hook: Callable[[Event], object]) -> Callable[..., None]:
    """Makes the engine's words (its ``happening``) into events for ``hook``."""
    from ._result import RunStatus

    statuses = (RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.TIMED_OUT, RunStatus.ABORTED, RunStatus.COMPLETED)

    def tell(
        what: int,
        at: float,
        since: float,
        until: float,
        index: int,
        count: int,
        attempt: int,
        worker: int,
        pid: int,
        how: int,
        final: bool,
        signal: int,
        exit_code: int,
        running: float,
    ) -> None:
        event: Event
        if what == 0:
            event = RunBegun(at)
        elif what == 1:
            event = AttemptEnded(at, index, count, attempt, worker, _OUTCOMES[how], final, since or at, running)
        elif what == 2:
            event = RetryScheduled(at, index, attempt, until)
        elif what == 3:
            event = WorkerStarted(at, worker, pid, max(0.0, at - since) if since else 0.0)
        elif what == 4:
            event = WorkerDied(at, worker, pid, signal, exit_code)
        elif what == 5:
            event = WorkerRecycled(at, worker, pid)
        elif what == 6:
            event = TaskTimedOut(at, index, attempt, worker, pid, until)
        elif what == 7:
            event = ItemsTakenBack(at, index, count, worker, pid)
        elif what == 8:
            event = LimiterPaused(at, until)
        else:
            event = RunEnded(at, statuses[how])
        hook(event)

    return tell
