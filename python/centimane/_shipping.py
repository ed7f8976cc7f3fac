"""How the function of a submitted task travels: as its name, within its task, or as a definition that workers keep."""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, FunctionType, ModuleType

from . import _by_value, _chunks, _pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WITHIN, _REMEMBER, _DEFINE = 0, 1, 2
_OF_CHUNKS = {b"L": _chunks.each, b"T": _chunks.each_star}


def _has_name(function: Any) -> bool:
    """Can workers import it? Then no change of it matters."""
    if isinstance(function, BuiltinFunctionType):
        return isinstance(function.__self__, ModuleType)
    try:
        return _by_value._has_name(function)  # pyright: ignore[reportPrivateUsage]
    except _by_value.Beyond:
        return False


def _bindings(function: FunctionType, found: list[Any], seen: set[int]) -> None:
    """What a function by value was written with: ``where, name, value`` for each binding, through the functions it names."""
    seen.add(id(function))
    for name in ("__code__", "__defaults__", "__kwdefaults__"):
        found += (function, name, getattr(function, name))
    values: list[Any] = []
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # an empty cell
            continue
        found += (cell, "", value)
        values.append(value)
    everything = function.__globals__
    for name in set(_by_value._names(function.__code__)):  # pyright: ignore[reportPrivateUsage]
        if name in everything:
            found += (everything, name, everything[name])
            values.append(everything[name])
    for value in values:
        if isinstance(value, FunctionType) and id(value) not in seen and not _has_name(value):
            _bindings(value, found, seen)


def _checks(function: FunctionType) -> tuple[Any, ...]:
    found: list[Any] = []
    _bindings(function, found, set())
    return tuple(found)


def ship(function: Any, kind: bytes, seen: bool) -> tuple[bytes, int, tuple[Any, ...] | None]:
    """``(blob, how, checks)`` for the function of a task. Called by the engine, when it does not know the function.

    kind: how workers apply it, their ``blob_kind``.

    A function that workers can import becomes a definition at once; one that goes by value when it comes for the second
    time, unchanged: closures that are made anew for each task would only pile up. Everything else goes within its task.

    Raises:
        PayloadError: it cannot be pickled at all.
        TypeError: it is not callable.
    """
    if isinstance(function, (FunctionType, BuiltinFunctionType, type)) and _has_name(function):
        return kind + _pickling.dump_function(function), _DEFINE, None
    if type(function) is FunctionType and seen:
        return kind + _pickling.dump_function(function), _DEFINE, _checks(function)
    # The carrier calls what it is brought: for a chunk, a function of the chunk.
    whole = _OF_CHUNKS.get(kind)
    blob = _pickling.dump_function(function if whole is None else functools.partial(whole, function))
    if type(function) is not FunctionType:
        return blob, _WITHIN, None
    return blob, _REMEMBER, _checks(function)
