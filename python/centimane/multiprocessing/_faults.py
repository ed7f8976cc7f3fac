"""What pools raise, as exceptions that are also what the standard library raises there.

Loaded when the first is needed: the standard library's own classes bring its ``multiprocessing`` along.
"""

from __future__ import annotations

import builtins
import multiprocessing.context
from typing import TYPE_CHECKING, Any

from .. import _errors, _futures_faults, _remote  # pyright: ignore[reportPrivateUsage]
from .._futures_faults import StartFailed, from_trouble

if TYPE_CHECKING:

    class MaybeEncodingError(Exception):
        """Of the standard library, whose types do not tell of it."""

        exc: str
        value: str

    class RemoteTraceback(Exception):
        """The same."""

else:
    from multiprocessing.pool import MaybeEncodingError, RemoteTraceback

__all__ = ["TimeoutError", "UnpicklableResult", "broken", "from_trouble", "rebuild", "terminated", "unsendable"]


class TimeoutError(_errors.Error, multiprocessing.context.TimeoutError, builtins.TimeoutError):
    """The result was not there in time. ``multiprocessing.TimeoutError``, and the builtin one."""


class UnpicklableResult(_errors.PayloadError, MaybeEncodingError):
    """A result cannot be pickled: a ``MaybeEncodingError`` for old handlers.

    Attributes:
        exc: what pickle said, as text.
        value: which value it said it of, as text.
    """

    def __str__(self) -> str:
        return BaseException.__str__(self)


def unsendable(error: BaseException) -> BaseException:
    """The exception for a task that cannot be written: what pickle raised, or one that is also that."""
    shown = _futures_faults.unsendable(error)
    if type(shown) is _errors.PayloadError and isinstance(shown.__cause__, Exception):
        cause = shown.__cause__
        cause.add_note(str(shown))
        return cause
    return shown


def broken(text: str) -> BaseException:
    """The exception of a pool whose workers cannot start, or of a call whose worker was ended by ``terminate``."""
    return StartFailed(text)


def rebuild(record: Any, task: int) -> BaseException:
    """The exception for a task's outcome."""
    error = _remote.rebuild(record, task)
    cause = error.__cause__
    if isinstance(cause, _errors.RemoteTraceback):
        error.__cause__ = RemoteTraceback(f'\n"""\n{cause.text}"""')
    if isinstance(error, _errors.PayloadError) and error.stage == "write_result":
        made = UnpicklableResult.__new__(UnpicklableResult, *error.args)
        made.args = error.args
        made.__dict__.update(error.__dict__)
        made.__cause__ = error.__cause__
        made.exc = repr(error._refusal or error)  # pyright: ignore[reportPrivateUsage]
        made.value = str(error)
        return made
    return error


def terminated(error: BaseException | None) -> BaseException:
    """For a task that had no outcome when its pool was terminated."""
    made = _errors.Cancelled("the pool was terminated before this task had ended")
    made.__cause__ = error
    return made
