"""Functions and values by value, for what plain pickle refuses or would send as a name that workers do not know.

Workers never run the user's main module. What lives in ``__main__`` is sent to them: functions by value, all sharing the
worker's own ``__main__`` namespace, and every class or function that an item's pickle names there as a binding in it. So pickles by
reference work in both directions, and ``isinstance`` holds on both sides.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
# cloudpickle has no types.

from __future__ import annotations

import io
import linecache
import pickle
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import cloudpickle

PROTOCOL = 5

_LOCKS: dict[type, Any] = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}


def main_globals() -> dict[str, Any]:
    """The namespace of this process's ``__main__``: what the marker below turns into where it is read."""
    return sys.modules["__main__"].__dict__


class _MainGlobals:
    """Stands for the ``__main__`` namespace in a pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return main_globals, ()


def _findable(module_name: str | None) -> bool:
    """Could another process with our paths import that module?"""
    module = sys.modules.get(module_name or "")
    if module is None:
        return True
    return getattr(module, "__spec__", None) is not None or getattr(module, "__file__", None) is not None


def _code(
    filename: str, source: list[str] | None, make: Callable[..., types.CodeType], arguments: Any
) -> types.CodeType:
    """Code as it was: with the file it comes from, so that tracebacks show it, and the lines if no file has them."""
    if source is not None and filename not in linecache.cache:
        linecache.cache[filename] = (sum(map(len, source)), None, source, filename)
    return make(*arguments).replace(co_filename=filename)


def _source_without_file(filename: str) -> list[str] | None:
    """The lines that only this process has: of a notebook's cell, an interactive input."""
    entry = linecache.cache.get(filename)
    return entry[2] if entry is not None and len(entry) == 4 and entry[1] is None else None


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped base
    """By value what must be. What a function refers to may hold locks: they arrive fresh. In an item or a result they do not travel."""

    def __init__(self, file: io.BytesIO, share_main: bool, fresh_locks: bool) -> None:
        super().__init__(file, protocol=PROTOCOL)
        self._share_main = share_main
        self._fresh_locks = fresh_locks
        self._marker = _MainGlobals()

    def reducer_override(self, obj: Any) -> Any:
        kind: type = type(obj)
        if self._fresh_locks and kind in _LOCKS:
            return _LOCKS[kind], ()
        if kind is types.CodeType:
            # cloudpickle forgets where code comes from.
            make, arguments, *_ = self.dispatch_table[kind](obj)
            return _code, (obj.co_filename, _source_without_file(obj.co_filename), make, arguments)
        if (
            isinstance(obj, (types.FunctionType, type))
            and obj.__module__ != "__main__"
            and not _findable(obj.__module__)
        ):
            cloudpickle.register_pickle_by_value(sys.modules[obj.__module__])
        reduced: Any = super().reducer_override(obj)
        if (
            self._share_main
            and kind is types.FunctionType
            and isinstance(reduced, tuple)
            and obj.__globals__ is main_globals()
        ):
            # cloudpickle's arguments of the new function: its code, then the dictionary it will find its globals in.
            make, (code, _, *rest), *more = reduced
            return make, (code, self._marker, *rest), *more
        return reduced


def dumps_by_value(value: object, *, share_main: bool, fresh_locks: bool = False) -> bytes:
    """A pickle that needs nothing of this process's ``__main__``. Raises whatever pickle raises."""
    file = io.BytesIO()
    _Pickler(file, share_main, fresh_locks).dump(value)
    return file.getvalue()


class _Recorder(pickle.Pickler):
    """Notes the classes and functions of ``__main__`` that a pickle names."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), PROTOCOL)
        self.roots: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (types.FunctionType, type)) and obj.__module__ == "__main__":
            self.roots.add(obj.__qualname__.partition(".")[0])
        return NotImplemented


class MainNames:
    """Which names of ``__main__`` the workers of one run have been told, and as what. The engine reads ``told`` and ``here``."""

    def __init__(self) -> None:
        self.told: dict[str, object] = {}
        self.here = main_globals()

    def met(self, value: object) -> bytes | None:
        """The definition that workers need before they read this value, if they lack one. Called by the engine."""
        recorder = _Recorder()
        try:
            recorder.dump(value)
        except Exception:  # it goes by value; what it names besides has been noted
            pass
        here = self.here
        missing = {
            name: here[name] for name in recorder.roots if name in here and self.told.get(name) is not here[name]
        }
        if not missing:
            return None
        self.told.update(missing)
        return b"M" + dumps_by_value(missing, share_main=True, fresh_locks=True)


def rescue(value: object, error: BaseException) -> bytes:
    """The pickle of a value that plain pickle refused with ``error``. Called by the engine, on the driver's side.

    Raises:
        PayloadError: it cannot be pickled at all.
    """
    from ._diagnose import refused

    try:
        return dumps_by_value(value, share_main=True)
    except Exception as cause:
        raise refused(value, cause, name="item", stage="write_args") from cause


def dump_function(function: object, *, name: str = "function") -> bytes:
    """A function (or any callable) for workers: as its name where they can import it, else by value.

    Raises:
        PayloadError: it cannot be pickled at all.
    """
    if _findable(getattr(function, "__module__", None)):
        try:
            blob = pickle.dumps(function, PROTOCOL)
        except Exception:  # a lambda, a closure, something inside a partial: by value
            pass
        else:
            if b"__main__" not in blob:
                return blob
    try:
        return dumps_by_value(function, share_main=True, fresh_locks=True)
    except Exception as cause:
        from ._diagnose import refused

        raise refused(function, cause, name=name, stage="write_args") from cause
