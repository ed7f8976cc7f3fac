"""Objects that are pickled once, into shared memory, and read by any number of processes."""

from __future__ import annotations

from . import _core, _pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from typing import Any, Generic, TypeVar

    T = TypeVar("T")
else:
    import _pickle as pickle

    T = None

    class Generic:
        """Stands in for typing's, which takes longer to import than all the rest."""

        __slots__ = ()

        def __class_getitem__(cls, _item: object) -> type:
            return cls


#: In the memory: how many buffers and how long the pickle; where each buffer is and how long; the pickle; the buffers.
_NUMBER = 8
_HEAD = 2 * _NUMBER
_ENTRY = 2 * _NUMBER
_ALIGNED = 64


class Shared(Generic[T]):
    """An object in shared memory, to be read by any number of processes: ``share`` makes it.

    It pickles as a handle of some hundred bytes. ``get()`` is the object: what it holds in buffers (arrays, the columns of tables, large bytes
    in ``pickle.PickleBuffer``) is not copied but looked into, read-only; the rest is unpickled once for each ``Shared`` that a process has.
    So give it to tasks inside the function (a closure, ``functools.partial``) or an initializer, which a worker gets once, rather than as each
    item.

    The memory lives as a ``SharedArray``'s does: until the last process that has it lets go.

    Thread safety: any thread. Two that call ``get()`` first at the same time may both build the object; one of the two is answered.
    """

    __slots__ = ("__weakref__", "_memory", "_value")

    _memory: _core.SharedBlock
    _value: T

    def __init__(self, memory: _core.SharedBlock) -> None:
        self._memory = memory

    def get(self) -> T:
        """The object, the same each time.

        Raises:
            PayloadError: it cannot be rebuilt here; the cause says why.

        Cost: the first time, unpickling what is not in buffers.
        """
        try:
            return self._value
        except AttributeError:
            pass
        value: T = _read(self._memory)
        try:
            return self._value
        except AttributeError:
            self._value = value
        return value

    def __repr__(self) -> str:
        return f"Shared({self._memory.nbytes} bytes)"

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self._memory._hand_out(), self._memory.nbytes)


def _open(handle: bytes, size: int) -> Shared[Any]:
    """What a pickle is read by.

    Raises:
        OwnerDied: nobody has the memory any more.
    """
    return Shared(_core.SharedBlock(handle, (size,), "B", 1, False, None))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def put(obj: T) -> Shared[T]:
    """Pickles it into new shared memory.

    Raises:
        PayloadError: it cannot be pickled.
        ResourceLimit: there is not that much memory.
    """
    return Shared(_written(obj))


def _written(obj: object) -> _core.SharedBlock:
    buffers: list[Any] = []
    blob = _pickling.dumps_beside(obj, buffers)
    try:
        views = [buffer.raw() for buffer in buffers]
    except BufferError:  # not contiguous: what exports such a thing is copied into the pickle
        buffers, views = [], []
        blob = _pickling.dumps_beside(obj, None)
    at = _aligned(_HEAD + _ENTRY * len(views) + len(blob))
    head = [len(views), len(blob)]
    for view in views:
        head += [at, view.nbytes]
        at += _aligned(view.nbytes)
    memory = _core.SharedBlock(None, (at,), "B", 1, False, None)
    memory._put(0, b"".join(n.to_bytes(_NUMBER, "little") for n in head) + blob)
    for k, view in enumerate(views):
        memory._put(head[2 + 2 * k], view)
    return memory


def _read(memory: _core.SharedBlock) -> Any:
    """Lengths are checked: whoever has the memory may have written to it."""
    all_of_it = memoryview(memory).toreadonly()
    size = len(all_of_it)

    def number(at: int) -> int:
        return int.from_bytes(all_of_it[at : at + _NUMBER], "little")

    def part(at: int, length: int) -> memoryview:
        if at + length > size:
            raise _damaged()
        return all_of_it[at : at + length]

    count, length = number(0), number(_NUMBER)
    begin = _HEAD + _ENTRY * count
    blob = part(begin, length)
    views = [part(number(at), number(at + _NUMBER)) for at in range(_HEAD, begin, _ENTRY)]
    try:
        return pickle.loads(blob, buffers=views)
    except Exception as cause:
        from ._errors import PayloadError

        raise PayloadError(
            f"what is shared cannot be rebuilt here: {type(cause).__name__}: {cause}", stage="read_args"
        ) from cause


def _damaged() -> Exception:
    from ._errors import PayloadError

    return PayloadError("the memory of a Shared is damaged: its parts do not fit into it", stage="read_args")
