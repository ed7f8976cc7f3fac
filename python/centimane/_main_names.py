"""What processes of one function are sent of this process's ``__main__``.

They never run the main module. A process object goes by value as far as it lives there; and what else is defined there, functions and
classes, goes along as well, to be read only if something names it (the items of a queue, for instance, which pickle by reference).
"""

from __future__ import annotations

import copyreg
import io
import sys
from collections import ChainMap
from multiprocessing.reduction import ForkingPickler
from types import CodeType, FunctionType

from . import _by_value, _functions, _pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from multiprocessing.process import BaseProcess
    from typing import Any
else:
    import _pickle as pickle


def _reducers() -> Any:
    """How multiprocessing's own objects are pickled, connections and sockets above all."""
    own: dict[type, Any] = {}
    synchronize: Any = sys.modules.get("multiprocessing.synchronize")
    if synchronize is not None:
        for name in ("Lock", "RLock", "Semaphore", "BoundedSemaphore"):
            own[getattr(synchronize, name)] = _reduce_semaphore
    return ChainMap(own, ForkingPickler._extra_reducers, copyreg.dispatch_table)  # type: ignore[attr-defined]


def _reduce_semaphore(lock: Any) -> Any:
    """The standard library says so itself from 3.11.5 on."""
    if getattr(getattr(lock, "_semlock", None), "name", "") is None:  # ours have no name to lack
        raise RuntimeError("a lock made in a fork context can only be shared through inheritance")
    return lock.__reduce_ex__(2)


def _plain(value: object) -> bytes:
    file = io.BytesIO()
    pickler = pickle.Pickler(file, 5)
    pickler.dispatch_table = _reducers()
    pickler.dump(value)
    return file.getvalue()


def _by_any_means(value: object, fresh_locks: bool) -> bytes:
    reducers = _reducers()
    try:
        return _by_value.dumps(value, share_main=True, fresh_locks=fresh_locks, reducers=reducers)
    except Exception:  # beyond plain functions, or wrong: then it is said again below
        pass
    from . import _cloud

    return _cloud.dumps(value, share_main=True, fresh_locks=fresh_locks, reducers=reducers)


def _importable(process: BaseProcess) -> bool:
    target: Any = getattr(process, "_target", None)
    return all(_by_value.findable(getattr(it, "__module__", None)) for it in (type(process), target))


def dump_process(process: BaseProcess, fds: list[int]) -> bytes:
    """A process object for the process that runs it: by name where that can be imported, else by value.

    Args:
        process: it.
        fds: the descriptors that go along; emptied before each try.

    Raises:
        PayloadError: something in it cannot be pickled.
        RuntimeError: something in it can only be inherited by a fork.
    """
    said = ""
    if _importable(process):
        try:
            blob = _plain(process)
        except Exception as refusal:  # a lambda, a closure, something inside a partial: by value
            said = str(refusal)
        else:
            if b"__main__" not in blob:
                return blob
    fds.clear()
    try:
        return _by_any_means(process, False)
    except Exception as refusal:
        said += str(refusal)
        _raise_if_only_by_fork(refusal)
        if "lock" not in said:
            raise _refused(process, refusal) from refusal
    # One that a function refers to arrives fresh, as in tasks; one that is handed over does not travel.
    try:
        fds.clear()
        _by_any_means({name: value for name, value in vars(process).items() if name != "_target"}, False)
        fds.clear()
        return _by_any_means(process, True)
    except Exception as refusal:
        raise _refused(process, refusal) from refusal


def _raise_if_only_by_fork(error: Exception) -> None:
    if isinstance(error, RuntimeError) and ("fork context" in str(error) or "inheritance" in str(error)):
        raise error


def _refused(process: BaseProcess, cause: Exception) -> BaseException:
    from . import _diagnose, _futures_faults

    error = _diagnose.refused(_Shown(process), cause, name=process.name, stage="write_args")
    error.__cause__ = cause
    return _futures_faults.unsendable(error)


class _Shown:
    """A process as messages name its parts."""

    def __init__(self, process: BaseProcess) -> None:
        own: dict[str, Any] = dict(vars(process))
        names = {"_target": "target", "_args": "args", "_kwargs": "kwargs"}
        self.__dict__.update({names.get(name, name): value for name, value in own.items() if name != "_config"})


# ---- definitions

_dumped: tuple[dict[str, Any], bytes] | None = None
"""The bindings that the last definitions were written with, and their pickle."""


def _codes(kind: type) -> list[CodeType]:
    found = [getattr(value, "__func__", value) for value in vars(kind).values()]
    found += [getattr(value, "fget", None) for value in vars(kind).values()]
    return [value.__code__ for value in found if isinstance(value, FunctionType)]


def _bindings(main: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The functions and classes of ``__main__``, and those with all globals that they name."""
    defined = {
        name: value
        for name, value in list(main.items())
        if isinstance(value, (FunctionType, type)) and value.__module__ == "__main__"
    }
    named = dict(defined)
    for value in defined.values():
        for code in [value.__code__] if isinstance(value, FunctionType) else _codes(value):
            for name in _by_value._names(code):  # pyright: ignore[reportPrivateUsage]
                if name in main:
                    named[name] = main[name]
    return defined, named


def definitions() -> bytes:
    """A pickle of all that ``__main__`` defines and that can travel; ``b""``: it defines nothing.

    Cost: some microseconds while nothing that it was made of is bound anew.
    """
    global _dumped
    main = _functions.main_globals()
    inherited = getattr(sys.modules.get("centimane._child"), "load_definitions", None)
    if inherited is not None:
        inherited()  # a process of a process: what it was sent itself
    defined, named = _bindings(main)
    if not defined:
        return b""
    if _dumped is not None and len(_dumped[0]) == len(named):
        before = _dumped[0]
        if all(before.get(name, before) is value for name, value in named.items()):
            return _dumped[1]
    try:
        blob = _pickling.dumps_by_value(defined, share_main=True, fresh_locks=True)
    except Exception:  # one of them cannot travel: it is left out
        sound = {name: value for name, value in defined.items() if _travels(value)}
        blob = _pickling.dumps_by_value(sound, share_main=True, fresh_locks=True) if sound else b""
    _dumped = named, blob
    return blob


def _travels(value: object) -> bool:
    try:
        _pickling.dumps_by_value(value, share_main=True, fresh_locks=True)
    except Exception:
        return False
    return True
