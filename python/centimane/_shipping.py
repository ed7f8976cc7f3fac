"""How the function of a submitted task travels: as its name, within its task, or as a definition that workers keep."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, ModuleType

from . import _by_value, _pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WITHIN, _REMEMBER, _DEFINE = 0, 1, 2


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


def ship(function: Any, with_keywords: bool, seen: bool) -> tuple[bytes, int, tuple[Any, ...] | None]:
    """``(blob, how, checks)`` for the function of a task. Called by the engine, when it does not know the function.

    A function that workers can import becomes a definition at once; one that goes by value when it comes for the second
    time, unchanged: closures that are made anew for each task would only pile up. Everything else goes within its task.

    Raises:
        PayloadError: it cannot be pickled at all.
        TypeError: it is not callable.
    """
    kind = b"k" if with_keywords else b"*"
    if isinstance(function, (FunctionType, BuiltinFunctionType, type)) and _has_name(function):
        return kind + _pickling.dump_function(function), _DEFINE, None
    if type(function) is not FunctionType:
        return _pickling.dump_function(function), _WITHIN, None
    blob = _pickling.dump_function(function)
    checks: list[Any] = []
    _bindings(function, checks, set())
    return (kind + blob, _DEFINE, tuple(checks)) if seen else (blob, _REMEMBER, tuple(checks))
