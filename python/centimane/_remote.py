"""What a worker said of an exception, as an exception again. Runs in the driver."""

from __future__ import annotations

from ._errors import PayloadError, RemoteError, RemoteTraceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from typing import Any
else:
    import _pickle as pickle


class Refused:
    """In a chunk, stands for an item that could not be pickled and has its error already."""


def rebuild(record: Any, item: int) -> BaseException:
    """The exception for an item's outcome. Called by the engine.

    Args:
        record: ``(pickle or None, type name, text, traceback)`` as the worker described it, or the exception that reading an
            outcome raised here.
        item: the item's index.
    """
    if isinstance(record, BaseException):
        error = PayloadError(
            f"the outcome of item {item} cannot be rebuilt here: {type(record).__name__}: {record}", stage="read_result"
        )
        error.__cause__ = record
        return error
    if record is None:
        return RemoteError(f"item {item} failed with an exception that could not be described")
    pickled: bytes | None
    type_name: str
    text: str
    trace: str
    pickled, type_name, text, trace = record
    why = "it cannot be pickled"
    if pickled is not None:
        try:
            rebuilt: object = pickle.loads(pickled)
        except Exception as refusal:
            why = f"it cannot be rebuilt here ({type(refusal).__name__}: {refusal})"
        else:
            if isinstance(rebuilt, BaseException):
                rebuilt.__cause__ = RemoteTraceback(trace)
                return rebuilt
            why = f"its pickle makes a {type(rebuilt).__name__}"
    return RemoteError(
        f"item {item} raised {type_name}: {text} (described, since {why})\n{trace.rstrip()}",
        type_name=type_name,
        text=text,
        traceback=trace,
    )
