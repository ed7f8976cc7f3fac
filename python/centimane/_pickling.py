"""Functions and values by value, for what plain pickle refuses or would send as a name that workers do not know.

Workers never run the user's main module. What lives in ``__main__`` is sent to them: functions by value, all sharing the
worker's own ``__main__`` namespace, and every class or function that an item's pickle names there as a binding in it. So pickles by
reference work in both directions, and ``isinstance`` holds on both sides.
"""

from __future__ import annotations

import io
from types import FunctionType

from . import _by_value
from ._by_value import PROTOCOL, findable
from ._functions import call_pickled, main_globals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable
    from typing import Any
else:
    import _pickle as pickle

loads = pickle.loads


def dumps(value: object) -> bytes:
    """A plain pickle."""
    return pickle.dumps(value, PROTOCOL)


def dumps_by_value(value: object, *, share_main: bool, fresh_locks: bool = False) -> bytes:
    """A pickle that needs nothing of this process's ``__main__``. Raises whatever pickle raises."""
    try:
        return _by_value.dumps(value, share_main=share_main, fresh_locks=fresh_locks)
    except Exception:  # beyond plain functions, or wrong: then it is said again below
        pass
    from . import _cloud

    return _cloud.dumps(value, share_main=share_main, fresh_locks=fresh_locks)


def dumps_beside(value: object, buffers: list[Any] | None) -> bytes:
    """A pickle that any process of ours can read, and what it has in buffers put beside it; None: all goes into the pickle.

    Raises:
        PayloadError: it cannot be pickled at all.
    """
    beside = None if buffers is None else buffers.append
    try:
        blob = pickle.dumps(value, PROTOCOL, buffer_callback=beside)
        if b"__main__" not in blob:
            return blob
    except Exception:  # by value, perhaps
        pass
    for write in (_by_value.dumps, _cloud_dumps):
        if buffers is not None:
            buffers.clear()
        try:
            return write(value, share_main=True, beside=beside)
        except Exception as error:
            cause = error
    from ._diagnose import refused

    raise refused(value, cause, name="object", stage="write_args") from cause


def _cloud_dumps(value: object, *, share_main: bool, beside: Callable[[Any], object] | None) -> bytes:
    from . import _cloud

    return _cloud.dumps(value, share_main=share_main, beside=beside)


def _drop(_buffer: object) -> None:
    """What arrays hold names nothing: it is not copied."""


class _Recorder(pickle.Pickler):
    """Notes the classes and functions of ``__main__`` that a pickle names."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), PROTOCOL, buffer_callback=_drop)
        self.roots: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (FunctionType, type)) and obj.__module__ == "__main__":
            self.roots.add(obj.__qualname__.partition(".")[0])
        return NotImplemented


def names_of_main(value: object) -> set[str]:
    """The names of ``__main__`` under which workers must find what this value's pickle refers to."""
    recorder = _Recorder()
    try:
        recorder.dump(value)
    except Exception:  # it goes by value; what it names besides has been noted
        pass
    return recorder.roots


class MainNames:
    """Which names of ``__main__`` the workers of one run have been told, and as what. The engine reads ``told`` and ``here``."""

    def __init__(self) -> None:
        self.told: dict[str, object] = {}
        self.here = main_globals()

    def met(self, value: object) -> bytes | None:
        """The definition that workers need before they read this value, if they lack one. Called by the engine."""
        here = self.here
        missing = {
            name: here[name] for name in names_of_main(value) if name in here and self.told.get(name) is not here[name]
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
    try:
        return dumps_by_value(value, share_main=True)
    except Exception as cause:
        from ._diagnose import refused

        raise refused(value, cause, name="item", stage="write_args") from cause


def dump_lightly(function: object) -> bytes | None:
    """A function (or any callable) for workers that need no cloudpickle to read it.

    As its name where they can import it, else by value if it is a plain one. None: ``dump_by_cloud`` has to do it.
    """
    if findable(getattr(function, "__module__", None)):
        try:
            blob = pickle.dumps(function, PROTOCOL)
        except Exception:  # a lambda, a closure, something inside a partial: by value
            pass
        else:
            if b"__main__" not in blob:
                return blob
    try:
        return _by_value.dumps(function, share_main=True, fresh_locks=True)
    except Exception:  # beyond plain functions, or not to be had at all
        return None


def is_name(blob: bytes | None) -> bool:
    """Does the pickle name something that can be imported, and hold nothing besides? It ends in STACK_GLOBAL, MEMOIZE, STOP."""
    return blob is not None and blob.endswith(b"\x93\x94.")


def dump_function(function: object, *, name: str = "function") -> bytes:
    """A function (or any callable) for workers: as its name where they can import it, else by value.

    Raises:
        PayloadError: it cannot be pickled at all.
    """
    return dump_lightly(function) or dump_by_cloud(function, name=name)


def dump_call(function: object, *, name: str) -> bytes:
    """A call of a function without arguments, which workers make by reading it: an initialiser.

    Raises:
        PayloadError: it cannot be pickled at all.
    """
    return dumps((call_pickled, (dump_function(function, name=name),)))


def dump_by_cloud(function: object, *, name: str = "function") -> bytes:
    """A function that ``dump_lightly`` does not write.

    Raises:
        PayloadError: it cannot be pickled at all.
    """
    from . import _cloud

    try:
        return _cloud.dumps(function, share_main=True, fresh_locks=True)
    except Exception as cause:
        from ._diagnose import refused

        raise refused(function, cause, name=name, stage="write_args") from cause
