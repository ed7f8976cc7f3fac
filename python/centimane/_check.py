"""Checks of arguments. Each names the argument it refuses, and answers the value as the engine takes it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import ContextVar
    from typing import Any


def whole(name: str, value: object, least: int | None = 1, most: int | None = None) -> int:
    """An int, or what stands for one (NumPy's)."""
    if isinstance(value, bool) or not isinstance(value, int):
        index = getattr(type(value), "__index__", None)
        if isinstance(value, bool) or index is None:
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        value = int(index(value))
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    if most is not None and value > most:
        raise ValueError(f"{name} must be at most {most}, not {value}")
    return value


def number(name: str, value: object, what: str = "a number") -> float:
    """A real number; NumPy's, Decimal and Fraction too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        convert = getattr(type(value), "__float__", None)
        if isinstance(value, bool) or convert is None:
            raise TypeError(f"{name} must be {what}, not {type(value).__name__}")
        value = float(convert(value))
    return float(value)


def seconds(name: str, value: object) -> float:
    """A time of more than nothing; infinite is fine."""
    time = number(name, value, "a number of seconds")
    if not time > 0:  # NaN is not either
        raise ValueError(f"{name} must be more than 0 seconds, not {value}")
    return time


def pause(name: str, value: object) -> float:
    """A time that may be nothing; infinite is fine."""
    time = number(name, value, "a number of seconds")
    if not time >= 0:
        raise ValueError(f"{name} must be at least 0 seconds, not {value}")
    return time


def flag(name: str, value: object) -> bool:
    """True or False themselves: a path or a number in a flag's place is a mistake."""
    if value is not True and value is not False:
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return value


def callback(name: str, value: Any) -> Any:
    """A callable, or None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, not {type(value).__name__}")
    return value


def several(name: str, value: Any, what: str = "a tuple of arguments") -> tuple[Any, ...]:
    """A collection. Text is iterable too, and never meant."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name} must be {what}, not {type(value).__name__}")
    return tuple(value)


def path(name: str, value: Any) -> str:
    """Where a file is."""
    import os

    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {type(value).__name__}")
    where: str | bytes = os.fspath(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(where, bytes):
        raise TypeError(f"{name} must be a path of str, not of bytes")
    return where  # pyright: ignore[reportUnknownVariableType]


def variables(context: Any) -> tuple[ContextVar[Any], ...]:
    """What ``context=`` names."""
    from contextvars import ContextVar

    found: tuple[Any, ...] = tuple(context) if hasattr(context, "__iter__") else ()
    kinds: list[type[Any]] = [type(variable) for variable in found] or [type(context)]
    for kind in kinds:
        if not found or kind is not ContextVar:
            raise TypeError(f"context must be a list of ContextVar, such as [var], not {kind.__name__}")
    return found


def file_to_write(name: str, value: object) -> bytes:
    """A path that can be written to, looked at now: a stream begins later, and should not fail then."""
    import os

    from . import _core

    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {type(value).__name__}")
    path = os.fsencode(value)  # pyright: ignore[reportUnknownArgumentType]
    if not path or b"\0" in path:
        raise ValueError(f"{name} must be the path of a file, not {value!r}")
    _core.expect_writable(path)
    return path
