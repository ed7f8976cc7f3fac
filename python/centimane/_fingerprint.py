"""Who a function is, for a checkpoint: its name and a digest of its code and of what it can be seen to hold.

The digest has the code with its constants, default values, what a closure has captured and the arguments of a ``functools.partial``; functions
among these are followed. Plain immutable values count by value, everything else (clients, sessions, counters) by its type: their
insides may change in the middle of a run. Code of other versions of Python differs, so their files are not shared. What a function
reaches by global names is not looked at: ``checkpoint_version`` is there to say that it has changed.
"""

from __future__ import annotations

import functools
import hashlib
import types

from ._errors import CheckpointError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLAIN = (str, bytes, int, float, complex, bool, types.NoneType, types.EllipsisType)


def identity(function: Any, version: str | None) -> str:
    """``module.qualname:digest``.

    Raises:
        CheckpointError: the function's results depend on an object whose state cannot be seen (a bound method, a callable object), and
            there is no version that stands for it.
    """
    digest = hashlib.blake2b(digest_size=8)
    named = function
    while isinstance(named, functools.partial):
        named = named.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    hidden = _hidden_state(named)
    if hidden is not None and version is None:
        raise CheckpointError(
            f"checkpoint cannot tell whether {hidden} would give the same results again: its object's state is not seen. "
            "Give checkpoint_version= a value that changes with that state, or map a plain function"
        )
    digest.update(_token(function, set()).encode(errors="surrogatepass"))
    kind = named if hasattr(named, "__qualname__") else type(named)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return f"{kind.__module__ or 'builtins'}.{kind.__qualname__}:{digest.hexdigest()}"  # pyright: ignore[reportUnknownMemberType]


def _hidden_state(function: Any) -> str | None:
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return f"the bound method {getattr(function, '__qualname__', function)}"
    if isinstance(getattr(function, "__wrapped__", None), types.FunctionType):
        return None  # a decorated function, @parallel's among them
    if isinstance(function, (types.FunctionType, types.BuiltinFunctionType, type)):
        return None
    kind: Any = function.__class__
    if kind.__module__ in ("builtins", "numpy"):  # method descriptors, ufuncs: no state
        return None
    return f"the callable object of type {kind.__qualname__}"


def _token(value: Any, seen: set[int]) -> str:
    """What stands for a value in the digest. ``seen``: what is being looked at, for functions that refer to each other."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, (tuple, frozenset)):
        parts = [_token(part, seen) for part in value]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, frozenset):
            parts.sort()  # its own order changes from one interpreter to the next
        return f"{type(value).__name__}({','.join(parts)})"  # pyright: ignore[reportUnknownArgumentType]
    if id(value) in seen:
        return "<itself>"
    seen.add(id(value))
    try:
        return _token_of_object(value, seen)
    finally:
        seen.discard(id(value))


def _token_of_object(value: Any, seen: set[int]) -> str:
    if isinstance(value, types.CodeType):
        inner = (value.co_code, value.co_consts, value.co_names, value.co_freevars, value.co_exceptiontable)
        return f"code({_token(inner, seen)})"
    if isinstance(value, functools.partial):
        given: Any = (value.func, value.args, tuple(sorted(value.keywords.items())))  # pyright: ignore[reportUnknownMemberType]
        return f"partial({_token(given, seen)})"
    if isinstance(value, types.MethodType):
        return f"method({_token((value.__func__, value.__self__), seen)})"
    if isinstance(value, types.FunctionType):
        held = (value.__defaults__, tuple(sorted((value.__kwdefaults__ or {}).items())), tuple(_cells(value)))
        return f"{value.__module__}.{value.__qualname__}({_token((value.__code__, *held), seen)})"
    wrapped = getattr(value, "__wrapped__", None)
    if isinstance(wrapped, types.FunctionType):
        return _token(wrapped, seen)
    if isinstance(value, (type, types.BuiltinFunctionType)):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _cells(function: types.FunctionType) -> list[Any]:
    contents: list[Any] = []
    for cell in function.__closure__ or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:  # a name that has no value yet
            contents.append(...)
    return contents
