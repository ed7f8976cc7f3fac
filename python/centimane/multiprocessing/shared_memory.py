"""Drop-in for ``multiprocessing.shared_memory``: memory with a name, which leaves nothing behind and needs no tracker.

What is made here and not unlinked goes when the program ends; if that is killed, the next process that makes or opens shared memory here
(or the program's own ancestor of workers) takes it away. Workers and forked processes belong to the program that started them. Memory that
another program of ours has open is left alone until it is closed there, and so is what others have made, and what was made with
``track=False``. Programs that use the standard library's module find it by its name, and the other way round.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .. import _core  # pyright: ignore[reportPrivateUsage]

if TYPE_CHECKING:
    from ._shareable_list import ShareableList

__all__ = ["ShareableList", "SharedMemory"]

_USE_POSIX = True
_SHM_NAME_PREFIX = "/centimane-"


def _make_filename() -> str:
    """A name that nobody guesses."""
    return _SHM_NAME_PREFIX + os.urandom(16).hex()


def _bytes_of(name: str) -> bytes:
    if "\0" in name:
        raise ValueError("embedded null character")
    return os.fsencode(name)


class SharedMemory:
    """Memory with a name: makes it, or attaches to what is there.

    Args:
        name: its name; None, for new memory only: one that nobody guesses.
        create: make it. Then its bytes are zero, only this user may open it, and all its room is taken at once.
        size: in bytes, for new memory; ignored when attaching.
        track: new memory goes when the program ends, if nobody unlinked it before. False: it stays until somebody unlinks it. When
            attaching it makes no difference: who attaches never takes away what others made.

    Raises:
        ValueError: the size is not positive, there is no name, or the memory is empty.
        FileExistsError, FileNotFoundError: there is such a name already, or none.
        PermissionError: what has the name belongs to another user, or is no plain file.
        OSError: that is no name.
        ResourceLimit: there is no such room in ``/dev/shm``, or before this process's memory limit.

    Thread safety: as the memory's, none but what its users agree on; an object is one thread's at a time.
    """

    _memory: _core.NamedMemory | None = None
    _buf: memoryview | None = None
    _name = ""

    def __init__(self, name: str | None = None, create: bool = False, size: int = 0, *, track: bool = True) -> None:
        if not size >= 0:
            raise ValueError("'size' must be a positive integer")
        if create and size == 0:
            raise ValueError("'size' must be a positive number different from zero")
        if name is None and not create:
            raise ValueError("'name' can only be None if create=True")
        if name is None:
            while True:
                self._name = _make_filename()
                try:
                    self._open(create, size, track)
                except FileExistsError:
                    continue
                break
        else:
            self._name = "/" + name
            self._open(create, size, track)

    def _open(self, create: bool, size: int, track: bool) -> None:
        self._memory = _core.NamedMemory(name=_bytes_of(self._name), create=create, size=size, track=track)
        self._size = self._memory.size
        self._buf = memoryview(self._memory)

    @property
    def buf(self) -> memoryview:
        """The memory; None after ``close``."""
        return self._buf  # type: ignore[return-value]

    @property
    def name(self) -> str:
        """What other processes attach by."""
        return self._name.removeprefix("/")

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    def close(self) -> None:
        """Lets go of the memory; its name stays. Any number of times.

        Raises:
            BufferError: arrays or memoryviews that were made of ``buf`` are alive.
        """
        if self._buf is not None:
            self._buf.release()
            self._buf = None
        if self._memory is not None:
            self._memory.close()

    def unlink(self) -> None:
        """Takes the name away: once for all processes, before or after ``close``. Who has the memory open keeps it.

        Raises:
            FileNotFoundError: somebody did so before.
        """
        _bytes_of(self._name)
        if self._memory is not None:
            self._memory.unlink()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, False, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, size={self.size})"


def __getattr__(name: str) -> Any:
    if name == "ShareableList":
        from ._shareable_list import ShareableList

        globals()[name] = ShareableList
        return ShareableList
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
