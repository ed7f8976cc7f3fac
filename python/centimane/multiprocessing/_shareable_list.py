"""``ShareableList``: a list of fixed length in named memory, laid out as the standard library lays it out, so that each reads the other's.

The memory holds 64-bit numbers: the length n, and n + 1 offsets into the data; then the data, in pieces of 8 bytes; then n formats of
``struct`` in 8 bytes each; then n bytes that say how a value comes out of its bytes.
"""

from __future__ import annotations

import struct
from functools import partial
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .shared_memory import SharedMemory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 8
#: How a value comes out of its bytes.
_AS_IT_IS, _TEXT, _BYTES, _NONE = range(4)
_FORMATS: dict[type, str] = {int: "q", float: "d", bool: "xxxxxxx?", type(None): "xxxxxx?x"}


def _encoded(value: object) -> tuple[str, int, Any]:
    """Its format, how it comes out again, and what is packed. Text and bytes have room for their length and at least one byte more, as in
    the standard library; but it counts characters, and here each byte has its room.
    """
    if isinstance(value, (str, bytes)):
        raw = value.encode() if isinstance(value, str) else value
        pieces = max(len(value) // _PIECE + 1, -(-len(raw) // _PIECE))
        return f"{_PIECE * pieces}s", _TEXT if isinstance(value, str) else _BYTES, raw
    try:
        return _FORMATS[type(value)], _NONE if value is None else _AS_IT_IS, value
    except KeyError:
        raise KeyError(
            f"a ShareableList holds int, float, bool, str, bytes and None, not {type(value).__name__}"
        ) from None


class ShareableList:
    """A list in named memory: its length is fixed, and a text or bytes may grow only into the room that its first value had.

    Args:
        sequence: its values: int (64 bits), float, bool, str, bytes, None. Without it the list of that name is attached to.
        name: of the memory; None: one that nobody guesses.

    Raises:
        KeyError: a value of another type.
        As ``SharedMemory`` does; ValueError too for memory that holds no such list.

    As in the standard library a text or bytes loses the NUL bytes at its end. Several processes that write to one value need a lock.
    ``shm`` is the memory, to be closed and unlinked.
    """

    shm: SharedMemory

    def __init__(self, sequence: Iterable[Any] | None = None, *, name: str | None = None) -> None:
        if sequence is None and name is not None:
            self.shm = SharedMemory(name)
            self._attach()
            return
        entries = [_encoded(value) for value in sequence or ()]
        offsets = [0]
        for form, _, _ in entries:
            offsets.append(offsets[-1] + (int(form[:-1]) if form[-1] == "s" else _PIECE))
        self._list_len = len(entries)
        self._offsets = offsets
        self.shm = SharedMemory(name, create=True, size=self._codes + self._list_len or 1)
        buf = self.shm.buf
        struct.pack_into(f"{2 + len(entries)}q", buf, 0, len(entries), *offsets)
        for at, (form, code, packed) in enumerate(entries):
            struct.pack_into(form, buf, self._data + offsets[at], packed)
            struct.pack_into("8s", buf, self._formats + _PIECE * at, form.encode())
            buf[self._codes + at] = code

    def _attach(self) -> None:
        buf = self.shm.buf
        words = len(buf) // _PIECE
        length = struct.unpack_from("q", buf)[0] if words >= 2 else -1
        if 0 <= length <= words - 2:
            self._list_len = length
            self._offsets = list(struct.unpack_from(f"{length + 1}q", buf, _PIECE))
            rising = all(a < b for a, b in zip(self._offsets, self._offsets[1:], strict=False))
            if self._offsets[0] == 0 and rising and self._codes + length <= len(buf):
                return
        name = self.shm.name
        del buf
        self.shm.close()
        raise ValueError(f"the shared memory {name!r} holds no ShareableList")

    # Where each part begins.
    @property
    def _data(self) -> int:
        return (self._list_len + 2) * _PIECE

    @property
    def _formats(self) -> int:
        return self._data + self._offsets[-1]

    @property
    def _codes(self) -> int:
        return self._formats + self._list_len * _PIECE

    def _place(self, position: int, what: str) -> int:
        at = position + self._list_len if position < 0 else position
        if not 0 <= at < self._list_len:
            raise IndexError(f"{what} out of range")
        return at

    def _get_packing_format(self, position: int) -> str:
        at = self._place(position, "Requested position")
        raw: bytes = struct.unpack_from("8s", self.shm.buf, self._formats + _PIECE * at)[0]
        return raw.rstrip(b"\0").decode()

    def _room(self, at: int) -> int:
        return self._offsets[at + 1] - self._offsets[at]

    def __getitem__(self, position: int) -> Any:
        at = self._place(position, "index")
        form = self._get_packing_format(at)
        if struct.calcsize(form) > self._room(at):  # it was read once, and stands where others write
            raise ValueError(f"the shared memory {self.shm.name!r} holds no ShareableList any more")
        value = struct.unpack_from(form, self.shm.buf, self._data + self._offsets[at])[0]
        code = self.shm.buf[self._codes + at]
        if code == _TEXT:
            return value.rstrip(b"\0").decode()
        if code == _BYTES:
            return value.rstrip(b"\0")
        return None if code == _NONE else value

    def __setitem__(self, position: int, value: Any) -> None:
        at = self._place(position, "assignment index")
        form, code, packed = _encoded(value)
        if form[-1] == "s":
            room = self._room(at)
            if len(packed) > room:
                raise ValueError("bytes/str item exceeds available storage")
            form = f"{room}s"
        struct.pack_into("8s", self.shm.buf, self._formats + _PIECE * at, form.encode())
        self.shm.buf[self._codes + at] = code
        struct.pack_into(form, self.shm.buf, self._data + self._offsets[at], packed)

    def __len__(self) -> int:
        return self._list_len

    def __iter__(self) -> Iterator[Any]:
        for at in range(self._list_len):
            yield self[at]

    @property
    def format(self) -> str:
        """The formats of ``struct`` of all values."""
        return "".join(map(self._get_packing_format, range(self._list_len)))

    def count(self, value: Any) -> int:
        """How many values are equal to it."""
        return sum(value == one for one in self)

    def index(self, value: Any) -> int:
        """Where the first value is that is equal to it.

        Raises:
            ValueError: there is none.
        """
        for at, one in enumerate(self):
            if value == one:
                return at
        raise ValueError(f"{value!r} not in this container")

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), name=self.shm.name), ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)}, name={self.shm.name!r})"

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        return GenericAlias(cls, item)
