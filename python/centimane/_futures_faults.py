"""What goes wrong with submitted tasks, as exceptions that are also what the standard library raises there.

Loaded when the first fault is met: the standard library's own classes bring multiprocessing along.
"""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError
from typing import Any, cast

from . import _errors, _remote  # pyright: ignore[reportPrivateUsage]


class WorkerDied(_errors.WorkerDied, BrokenProcessPool):
    """The worker process died while it ran this task: a ``BrokenProcessPool`` for old handlers, though the pool lives on."""


class StartFailed(_errors.StartFailed, BrokenProcessPool):
    """Workers cannot start, their initializer raises for instance: the executor is of no use any more."""


class ExecutorBroken(_errors.Error, BrokenProcessPool):
    """The executor is of no use any more, or its workers were ended while they ran this task."""


class UnreadableTask(_errors.PayloadError, BrokenProcessPool):
    """A task could not be rebuilt in its worker, or its result not here, where the standard library's pool breaks."""


class _Unpicklable(_errors.PayloadError, PicklingError):
    """A value cannot be pickled."""


class _WrongType(_errors.PayloadError, TypeError):
    """A value cannot be pickled; pickle says so with a TypeError."""


class _WrongAttribute(_errors.PayloadError, AttributeError):
    """A value cannot be pickled; pickle says so with an AttributeError."""


_TWINS: dict[type[BaseException], type[_errors.PayloadError]] = {
    PicklingError: _Unpicklable,
    TypeError: _WrongType,
    AttributeError: _WrongAttribute,
}


def _as(kind: type[BaseException], error: BaseException) -> BaseException:
    """The same error as another, more specific class."""
    made = kind.__new__(kind, *error.args)
    made.args = error.args
    made.__dict__.update(error.__dict__)
    made.__cause__ = error.__cause__
    made.__traceback__ = error.__traceback__
    return made


def from_trouble(task: int, *account: Any) -> BaseException:
    """The exception for the engine's account of a task that did not come back."""
    error = _errors.from_trouble(task, *account)
    if error.args and isinstance(error.args[0], str):
        error.args = (error.args[0].replace(f"item {task}", "the task", 1), *error.args[1:])
    if isinstance(error, _errors.WorkerDied):
        return _as(WorkerDied, error)
    if isinstance(error, _errors.StartFailed):
        return _as(StartFailed, error)
    return error


def unsendable(error: BaseException) -> BaseException:
    """The exception for a task that cannot be written: what pickle raised it is as well."""
    if not isinstance(error, _errors.PayloadError):
        return error
    cause = error.__cause__
    for kind, twin in _TWINS.items():
        if isinstance(cause, kind):
            return _as(twin, error)
    return error if cause is None or isinstance(cause, Exception) else cause


def rebuild(record: Any, task: int) -> BaseException:
    """The exception for a task's outcome."""
    from concurrent.futures.process import _RemoteTraceback  # pyright: ignore[reportPrivateUsage]

    error = _remote.rebuild(record, task)
    if isinstance(error.__cause__, _errors.RemoteTraceback):
        error.__cause__ = cast(Any, _RemoteTraceback)(f'\n"""\n{error.__cause__.text}"""')
    if not isinstance(error, _errors.PayloadError):
        return error
    if error.stage in ("read_args", "read_result"):
        return _as(UnreadableTask, error)
    refusal = error._refusal  # pyright: ignore[reportPrivateUsage]
    if refusal is not None and not isinstance(refusal, Exception):
        return refusal  # SystemExit
    for kind, twin in _TWINS.items():
        if isinstance(refusal, kind):
            return _as(twin, error)
    return error


def broken(text: str) -> BaseException:
    """The exception of an executor that is of no use any more."""
    return ExecutorBroken(text)
