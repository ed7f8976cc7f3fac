"""One run's side of a checkpoint: which rows its items have, and what of them is there already.

The engine shows each item that it takes from the input (``admit``) and hands over each value before anybody is told of it (``keep``).
Keys and digests are made at admission, on the driver's thread; workers know nothing of checkpoints. A row stands for an item if key and
digest of the item are the same. The file itself is ``_checkpoint_file``'s.
"""

from __future__ import annotations

import hashlib
import pickle

from . import _check
from ._checkpoint_file import CheckpointFile, version_text
from ._errors import CheckpointError
from ._fingerprint import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Any

    Key = str | int | bytes
    Version = str | int | bytes | tuple[str | int | bytes, ...]


class Admission:
    """What a run needs for ``item_key``, ``checkpoint`` or both. Used by the run's own thread, one at a time."""

    __slots__ = ("_file", "_item_key", "_row_key", "_rows", "_seen", "keys", "waiting")

    def __init__(
        self,
        file: CheckpointFile | None,
        item_key: Callable[[Any], Key] | None,
        row_key: Callable[[Any], Key] | None,
    ) -> None:
        self._file = file
        self._item_key = item_key
        self._row_key = row_key
        #: Rows that there were at the start; without any, none need be looked for.
        self._rows = 0 if file is None else file.rows
        self._seen: set[bytes] = set()
        self.keys: dict[int, Key] | None = None if item_key is None and row_key is None else {}
        #: Key and digest of items that have no value yet.
        self.waiting: dict[int, tuple[bytes, bytes]] = {}

    @property
    def recording(self) -> bool:
        """Is there a file?"""
        return self._file is not None

    @property
    def admitting(self) -> Callable[[int, Any], tuple[Any] | None]:
        """What each item is shown to: ``admit``, or the part of it that there is to do."""
        names_only = self._file is None and self._item_key is not None and self._item_key is not self._row_key
        return self._name if names_only else self.admit

    def _name(self, index: int, item: Any) -> None:
        assert self._item_key is not None
        assert self.keys is not None
        self.keys[index] = _checked("item_key", self._item_key(item))

    def admit(self, index: int, item: Any) -> tuple[Any] | None:
        """The item has come. Answers ``(value,)`` if its value is known."""
        key = given = None
        if self._row_key is not None:
            given = _checked("checkpoint_key", self._row_key(item)) if self._file is not None else None
            key = given
        if self._item_key is not None and self._item_key is not self._row_key:
            given = _checked("item_key", self._item_key(item))
            if self._row_key is None:
                key = given
        if self.keys is not None and given is not None:
            self.keys[index] = given
        if self._file is None:
            return None
        row = b"#%d" % index
        if key is not None:
            row = _row(key)
            if row in self._seen:
                raise CheckpointError(
                    f"two items have the key {key!r} (the second is item {index}): each would take the other's row in the checkpoint. "
                    "Give checkpoint_key= a function whose keys differ"
                )
            self._seen.add(row)
        digest = _digest(index, item)
        if self._rows > 0:
            pickled = self._file.look(row, digest)
            if pickled is not None:
                try:
                    return (pickle.loads(pickled),)
                except Exception as error:
                    raise CheckpointError(
                        f"the checkpoint {self._file.path!r} has a value for item {index} that cannot be read "
                        f"({type(error).__name__}: {error}). Make importable what it is made of, or delete the file to begin anew"
                    ) from error
        self.waiting[index] = (row, digest)
        return None

    def keep(self, outcomes: list[tuple[int, Any]]) -> None:
        """Writes values. On return they outlive this process, however it ends."""
        assert self._file is not None
        rows: list[tuple[bytes, bytes, bytes]] = []
        refused: CheckpointError | None = None
        for index, value in outcomes:
            if index not in self.waiting:  # an interrupted call had written it
                continue
            try:
                pickled = pickle.dumps(value, 5)
            except Exception as error:
                refused = CheckpointError(
                    f"the result of item {index} cannot be written to the checkpoint ({type(error).__name__}: {error}). "
                    "Return what can be pickled, or leave checkpoint= out"
                )
                refused.__cause__ = error
                continue
            rows.append((*self.waiting[index], pickled))
        self._file.write(rows)
        for index, _ in outcomes:
            self.waiting.pop(index, None)
        if refused is not None:
            raise refused

    def close(self) -> None:
        """Lets go of the file. Idempotent."""
        if self._file is not None:
            self._file.close()


def prepare(
    function: Any,
    checkpoint: str | os.PathLike[str] | None,
    version: Version | None,
    item_key: Callable[[Any], Key] | None,
    row_key: Callable[[Any], Key] | None,
    *,
    later: bool,
) -> Callable[[], Admission]:
    """Checks everything that a call asks for; what it answers begins a run. ``later``: after the call, so the file is looked at now as well.

    Raises:
        CheckpointError: the file is not for this run: see ``parallel_map``.
    """
    if checkpoint is None:
        return lambda: Admission(None, item_key, row_key)
    path = _check.path("checkpoint", checkpoint)
    text = version_text(version)
    who = identity(function, text)
    if later:
        CheckpointFile(path, who, text).close()
    return lambda: Admission(CheckpointFile(path, who, text), item_key, row_key)


def _checked(name: str, key: Any) -> Key:
    if type(key) is str:  # nearly all are
        return key
    if hasattr(key, "cr_frame"):
        key.close()  # a coroutine: nobody will await it
    if isinstance(key, bool) or not isinstance(key, (str, int, bytes)):
        raise TypeError(f"{name} must return a str, an int or bytes, not {type(key).__name__}")
    return key


def _row(key: Key) -> bytes:
    """The key with its type: 1, "1" and b"1" are three rows."""
    if isinstance(key, int):
        return b"i:%d" % key
    if isinstance(key, str):
        return b"s:" + key.encode("utf-8", "surrogatepass")
    return b"b:" + key


def _digest(index: int, item: Any) -> bytes:
    try:
        pickled = pickle.dumps(item, 5)
    except Exception as error:
        raise CheckpointError(
            f"item {index} cannot be pickled ({type(error).__name__}: {error}), so a later run could not tell whether it is the same. "
            "Map plain values, such as a path in place of an open file"
        ) from error
    return hashlib.blake2b(pickled, digest_size=16).digest()
