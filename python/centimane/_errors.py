"""The errors of centimane: one name a fault, whatever executor and whatever part of the library meets it.

All derive from ``Error``, all survive pickling with everything they know, and each message says what happened, to which item, and
what to do. Exceptions of the user's own functions are not among them: they come back as themselves.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


class Error(Exception):
    """The base of every error that centimane itself reports."""

    _fields: ClassVar[tuple[str, ...]] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__.copy())


def _revive(kind: type[Error], args: tuple[Any, ...], state: dict[str, Any]) -> Error:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class WorkerDied(Error):
    """The worker process died while it ran this task. Every other task is unaffected.

    Attributes:
        stage: where in the task's life: "read_args", "run", "write_result", "zygote" or "protocol"; "claim" if it never began, since
            each of the workers that took it died before.
        signal: the signal that ended the worker, 0 if none did.
        exit_code: the code it exited with, or None.
        pid: its process id, 0 if unknown.
        worker: its index in the pool, -1 if unknown.
        stack: the fatal traceback, if one could be written, else "".
        stderr_tail: the end of what the worker wrote about its end.
        likely_oom: the kernel's out-of-memory killer was at work at that time.
        poison: every attempt at this task killed its worker.
        unkillable: it had to be killed, and SIGKILL did not take within five seconds: its process waits in the kernel, and is left to itself.
            (A ``TaskTimeout`` is raised at the limit, when nobody knows that yet; a line on stderr says so later.)
    """

    def __init__(
        self,
        message: str = "a worker died",
        *,
        stage: str = "",
        signal: int = 0,
        exit_code: int | None = None,
        pid: int = 0,
        worker: int = -1,
        stack: str = "",
        likely_oom: bool = False,
        poison: bool = False,
        unkillable: bool = False,
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.signal = signal
        self.exit_code = exit_code
        self.pid = pid
        self.worker = worker
        self.stack = stack
        self.stderr_tail = stack[-2000:]
        self.likely_oom = likely_oom
        self.poison = poison
        self.unkillable = unkillable


class TaskTimeout(Error, TimeoutError):
    """A task ran longer than its ``task_timeout``. On threads it is told once the task has come back.

    Attributes:
        limit: the timeout in seconds.
        stack: the stack at which the task hung, if it could be had, else "".
        pid: the worker's process id, 0 if unknown or if it is a thread.
        worker: its index in the pool, -1 if unknown.
    """

    def __init__(
        self,
        message: str = "a task ran longer than its task_timeout",
        *,
        limit: float = 0.0,
        stack: str = "",
        pid: int = 0,
        worker: int = -1,
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.stack = stack
        self.pid = pid
        self.worker = worker


class Cancelled(Error, RuntimeError):
    """The item was not run, or not to its end, because its run was stopped."""


class Aborted(Error, RuntimeError):
    """The item was not run because too many items had failed."""


class TimedOut(Error, TimeoutError):
    """The run's ``timeout`` passed before the item was run, or before it was run to its end."""


class PayloadError(Error):
    """A value cannot be sent to, or come back from, another process.

    The cause, where there is one, is what pickle said.

    Attributes:
        stage: "write_args", "read_args", "write_result" or "read_result".
        path: how to get to the offending part, such as ``"f → globals → conn"``, or "".
    """

    def __init__(self, message: str = "a value cannot travel", *, stage: str = "", path: str = "") -> None:
        super().__init__(message)
        self.stage = stage
        self.path = path
        self._refusal: BaseException | None = None


class RemoteError(Error):
    """An exception of the user's that cannot travel as itself, described.

    Attributes:
        type_name: the name of the exception's class, with its module.
        text: what it said.
        traceback: where it was raised, as text.
    """

    def __init__(self, message: str = "", *, type_name: str = "", text: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.type_name = type_name
        self.text = text
        self.traceback = traceback


class RemoteTraceback(Exception):
    """The traceback of an exception that was raised in another process: the cause of the exception that came back."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text.rstrip()}\n"""'


class StartFailed(Error, RuntimeError):
    """Workers cannot start. The message has what the child wrote, and what to do."""


class CheckpointError(Error, RuntimeError):
    """A checkpoint file is not for this run, or cannot be read or written. The message says why, and what to do."""


class ResourceLimit(Error, OSError):
    """The machine does not give what was asked for."""


class PoolClosed(Error, RuntimeError):
    """Something was asked of a pool that is closed."""


class PoolForked(Error, RuntimeError):
    """The run or pool belongs to the process that this one was forked from."""


class OwnerDied(Error, RuntimeError):
    """Something was asked of a process that has ended: what it held (a lock, shared memory that it sent), or had taken and not
    finished, is lost.

    Of a lock one taker is told so, in place of getting it. The lock is free again then; what it protects may be half changed.

    Attributes:
        pid: the process that ended, 0 if it is not known, or not one.
    """

    def __init__(self, message: str = "the owner has ended", *, pid: int = 0) -> None:
        super().__init__(message)
        self.pid = pid


class QueueClosed(Error, RuntimeError):
    """A queue has nothing more to give, or takes nothing more: nobody is left at its other end."""


class NestingError(Error, RuntimeError):
    """Pools inside workers inside pools, too deep."""


def from_trouble(
    item: int,
    attempt: int,
    how: str,
    stage: str,
    signal: int,
    exit_code: int,
    pid: int,
    worker: int,
    likely_oom: bool,
    poison: bool,
    unkillable: bool,
    text: str,
    stack: str,
    limit: int,
    run_timed_out: bool,
) -> Error:
    """The exception for the engine's account of an attempt that did not come back. Called by the engine."""
    name = f"item {item}" if attempt < 2 else f"item {item} (attempt {attempt})"
    if stage == "start":
        return StartFailed(f"{name} was not run: no worker could start: {text}\n{stack}".rstrip())
    if how == "overtime":
        seconds = limit / 1e9
        message = f"{name} ran longer than its task_timeout of {seconds:g} s"
        if text:
            message += f" ({text})"
        if stack:
            message += f"; it was at:\n{stack.rstrip()}"
        return TaskTimeout(message, limit=seconds, stack=stack, pid=pid, worker=worker)
    if how == "cancelled":
        begun = "was cut off" if attempt else "was not begun"
        if run_timed_out:
            return TimedOut(f"{name} {begun}: the run's timeout had passed")
        return Cancelled(f"{name} {begun}: its run was stopped")
    message = f"the worker that ran {name} died: {text}" if text else f"the worker that ran {name} died"
    if likely_oom:
        message += "; the kernel's out-of-memory killer was at work: use fewer workers or less memory a task"
    if poison:
        message += "; every attempt at it ended so"
    if stack:
        message += f"\n{stack.rstrip()}"
    return WorkerDied(
        message,
        stage=stage,
        signal=signal,
        exit_code=None if exit_code < 0 else exit_code,
        pid=pid,
        worker=worker,
        stack=stack,
        likely_oom=likely_oom,
        poison=poison,
        unkillable=unkillable,
    )
