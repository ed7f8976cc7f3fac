"""What a checkpoint file says of itself."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from . import _check
from . import _checkpoint_file as file
from ._errors import CheckpointError


class CheckpointInfo(NamedTuple):
    """About one checkpoint file.

    Attributes:
        path: as it was given.
        face: "python" or "c++": who can go on with it.
        schema_version: the file's format, as text.
        task_signature: the function whose results it holds: its name and a digest of its code.
        checkpoint_version: what the runs were given as ``checkpoint_version``.
        completed: the items whose values it holds.
        size_bytes: the size of the file itself, without the log beside it.
    """

    path: Path
    face: str
    schema_version: str
    task_signature: str
    checkpoint_version: str | int | bytes | tuple[str | int | bytes, ...] | None
    completed: int
    size_bytes: int


def checkpoint_info(path: str | os.PathLike[str]) -> CheckpointInfo:
    """What a checkpoint holds, be it written by Python or by C++. Reads no values and changes nothing; also while a run writes to it.

    Args:
        path: the file.

    Raises:
        TypeError: it is no path.
        FileNotFoundError: it is not there.
        CheckpointError: it is no checkpoint, or damaged.

    Thread safety: any thread. Cost: reads what the rows' number takes, all of a small file.
    """
    where = _check.path("path", path)
    found = os.lstat(where)
    if not os.path.isfile(where) or os.path.islink(where):
        raise CheckpointError(f"the checkpoint {where!r} is no plain file. Give the path of one")
    address = f"file:{quote(os.path.abspath(where))}?mode=ro"
    try:
        # Without a log beside it nobody writes, and reading it need not make one.
        if not os.path.exists(f"{where}-wal"):
            try:
                return _read(Path(path), f"{address}&immutable=1", found.st_size)
            except (sqlite3.Error, CheckpointError):
                if not os.path.exists(f"{where}-wal"):
                    raise
        return _read(Path(path), address, found.st_size)
    except sqlite3.Error as error:
        raise file.damaged(where, error) from error


def _read(path: Path, address: str, size: int) -> CheckpointInfo:
    with file.opening():  # an end of this process's own run must not fall in between
        database = sqlite3.connect(address, uri=True, isolation_level=None, timeout=10)
        try:
            database.execute("BEGIN")
            written = file.look_at_format(database, str(path))
            if written is None:
                raise CheckpointError(f"{str(path)!r} is no checkpoint: there is nothing in it")
            meta = file.read_meta(database, str(path))
            try:
                version = file.version_value(meta.get("version"))
            except ValueError as error:
                raise file.damaged(str(path), "its version cannot be read") from error
            completed: int = database.execute("SELECT count(*) FROM done").fetchone()[0]
        finally:
            database.close()
    return CheckpointInfo(path, meta["face"], str(written), meta["function"], version, completed, size)
