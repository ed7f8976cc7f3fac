"""``Value``, ``Array`` and their raw forms: ctypes objects in memory that processes share.

Names, arguments and results are those of ``multiprocessing.sharedctypes``, whose wrappers these are. What differs: they pickle at any
time, their memory is nameless and goes with its last user, and their lock survives the death of its owner
(``OwnerDied``, see ``synchronize``).

A pickle can be loaded once for sure, and as often as wanted while its sender keeps the object.
"""

from __future__ import annotations

import copyreg
import ctypes
import weakref
from multiprocessing import sharedctypes as _standard
from typing import TYPE_CHECKING, Any, cast

from .. import _core

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

__all__ = ["Array", "RawArray", "RawValue", "Value", "copy", "synchronized"]

typecode_to_type: dict[str, Any] = vars(_standard)["typecode_to_type"]
_make_property: Any = vars(_standard)["make_property"]
_SIMPLE: Any = ctypes.c_int.__base__  # what all ctypes scalars are


class _Memory(_core.SharedBytes):
    """Where a ctypes object lies; under the names by which the standard library's functions find it."""

    def create_memoryview(self) -> memoryview:
        return memoryview(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Memory._open, (self._hand_out(),)


def _type_of(typecode_or_type: Any) -> Any:
    if not isinstance(typecode_or_type, str):
        return typecode_or_type
    if typecode_or_type not in typecode_to_type:
        raise TypeError(
            f"typecode_or_type must be a ctypes type or one of {''.join(typecode_to_type)!r}, not {typecode_or_type!r}"
        )
    return typecode_to_type[typecode_or_type]


def _new(kind: Any) -> Any:
    return rebuild_ctype(kind, _Memory(ctypes.sizeof(kind)), None)


def RawValue(typecode_or_type: Any, *args: Any) -> Any:
    """A ctypes object in shared memory, without a lock.

    Args:
        typecode_or_type: a ctypes type, or a letter as ``array`` has them ("i", "d", …).
        args: what the type is made of; by default it is zeroed.
    """
    made = _new(_type_of(typecode_or_type))
    made.__init__(*args)
    return made


def RawArray(typecode_or_type: Any, size_or_initializer: Any) -> Any:
    """A ctypes array in shared memory, without a lock.

    Args:
        typecode_or_type: of its elements, as for ``RawValue``.
        size_or_initializer: their number, and they are zeroed; or a sequence of their values.
    """
    kind = _type_of(typecode_or_type)
    if isinstance(size_or_initializer, int):
        if size_or_initializer < 0:
            raise ValueError(f"size_or_initializer must not be negative, not {size_or_initializer}")
        return _new(kind * size_or_initializer)
    made = _new(kind * len(size_or_initializer))
    made.__init__(*size_or_initializer)
    return made


def Value(typecode_or_type: Any, *args: Any, lock: Any = True, ctx: BaseContext | None = None) -> Any:
    """A ctypes object in shared memory, with a lock around each access.

    Args:
        typecode_or_type: as for ``RawValue``.
        args: as for ``RawValue``.
        lock: True or None: an ``RLock`` of its own; False: none, it is a ``RawValue``; else the lock to use.
        ctx: not used; where the standard library has it.
    """
    return _wrapped(RawValue(typecode_or_type, *args), lock, ctx)


def Array(typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = True, ctx: BaseContext | None = None) -> Any:
    """A ctypes array in shared memory, with a lock around each access.

    Args:
        typecode_or_type: as for ``RawArray``.
        size_or_initializer: as for ``RawArray``.
        lock: as for ``Value``.
        ctx: not used; where the standard library has it.
    """
    return _wrapped(RawArray(typecode_or_type, size_or_initializer), lock, ctx)


def _wrapped(made: Any, lock: Any, ctx: BaseContext | None) -> Any:
    if lock is False:
        return made
    if lock is True:
        lock = None
    if lock is not None and not hasattr(lock, "acquire"):
        raise AttributeError(f"{lock!r} has no method 'acquire'")
    return synchronized(made, lock, ctx)


def copy(obj: Any) -> Any:
    """A ctypes object with the same value, in shared memory."""
    made = _new(type(obj))
    ctypes.pointer(made)[0] = obj
    return made


# ---- how they travel


def _is_array(obj: Any) -> bool:
    return isinstance(obj, ctypes.Array)


def reduce_ctype(obj: Any) -> tuple[Any, ...]:
    """A shared object goes as its memory; one of the same type that is not shared as ctypes sends it: by value."""
    memory = getattr(obj, "_wrapper", None)
    if not isinstance(memory, _Memory):
        by_value: tuple[Any, ...] = obj.__reduce__()
        return by_value
    if _is_array(obj):
        return rebuild_ctype, (obj._type_, memory, obj._length_)
    return rebuild_ctype, (type(obj), memory, None)


def rebuild_ctype(kind: Any, memory: _Memory, length: int | None) -> Any:
    """The object in that memory."""
    if length is not None:
        kind = kind * length
    copyreg.pickle(kind, reduce_ctype)
    made = kind.from_buffer(memory.create_memoryview())
    made._wrapper = memory
    return made


# ---- with a lock


def synchronized(obj: Any, lock: Any = None, ctx: BaseContext | None = None) -> Any:
    """A ctypes object behind a lock; None: an ``RLock`` of its own."""
    if isinstance(obj, _standard.SynchronizedBase):
        raise AssertionError("object already synchronized")
    if lock is None:
        from .synchronize import RLock

        lock = RLock(ctx=ctx)
    if isinstance(obj, _SIMPLE):
        return Synchronized(obj, lock)
    if _is_array(obj):
        return (SynchronizedString if obj._type_ is ctypes.c_char else SynchronizedArray)(obj, lock)
    kind = cast("Any", type(obj))
    wrapper = _wrappers.get(kind)
    if wrapper is None:
        fields: dict[str, Any] = {field[0]: _make_property(field[0]) for field in kind._fields_}
        wrapper = _wrappers[kind] = type(f"Synchronized{kind.__name__}", (_Travels, _standard.SynchronizedBase), fields)
    return wrapper(obj, lock)


_wrappers: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


class _Travels:
    """Comes before a wrapper of the standard library's, which refuses to be pickled but for a child."""

    if TYPE_CHECKING:
        _obj: Any
        _lock: Any

    def __reduce__(self) -> tuple[Any, ...]:
        return synchronized, (self._obj, self._lock)


class Synchronized(_Travels, _standard.Synchronized):  # type: ignore[type-arg]
    """Has ``value``, and is a context manager: its lock."""


class SynchronizedArray(_Travels, _standard.SynchronizedArray):  # type: ignore[type-arg]
    """Has items and slices, and is a context manager: its lock."""


class SynchronizedString(_Travels, _standard.SynchronizedString):
    """An array of bytes, with ``value`` and ``raw``."""
