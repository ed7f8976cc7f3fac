"""The checkpoint file: an SQLite database with one row a value. The C++ face writes the same format (src/face/checkpoint_file.cpp).

``meta(name, value)``: ``face`` ("python" or "c++": whose values the rows hold), ``function``, ``version``. ``done(key, digest, value,
seal)``: ``seal`` is a digest of the three before it, since SQLite does not notice when the bytes of a value change. ``application_id`` and
``user_version`` tell the file from other databases and from other formats.

One run at a time: it holds a lock on a byte behind all that SQLite uses, which ends with the process however that ends, and which
forked children do not have. In WAL mode a commit costs no fsync: what is written outlives the process at once, and the machine's failure up to the last
seconds; the file is whole in any case.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import json
import os
import sqlite3
import stat
import threading
from urllib.parse import quote

from ._errors import CheckpointError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

APPLICATION = 0x43454E54  # "CENT"
FORMAT = 1
LOCK_BYTE = 1 << 62
_SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE done (key BLOB PRIMARY KEY, digest BLOB NOT NULL, value BLOB NOT NULL, seal BLOB NOT NULL)",
)
ANEW = "Delete the file to begin anew, or give another path"

#: Files of this process's runs, by device and inode. Closing any descriptor of a file drops this process's locks on it, so a file in use
#: must not even be opened a second time.
_in_use: dict[tuple[int, int], CheckpointFile] = {}
_lock = threading.Lock()
#: A fork's copies of its parent's connections: closing them would be their parent's affair.
_inherited: list[CheckpointFile] = []


def _forget_in_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _inherited.extend(_in_use.values())
    _in_use.clear()


os.register_at_fork(after_in_child=_forget_in_fork)


class CheckpointFile:
    """An open checkpoint, made if it is not there.

    Thread safety: one thread at a time. Cost: opening reads the whole file once, to see that it is undamaged.

    Raises:
        CheckpointError: it cannot be used; the message says why, and what to do.
    """

    def __init__(self, path: str, function: str, version: str | None) -> None:
        self.path = path
        self.rows = 0
        self._descriptor = -1
        self._identity: tuple[int, int] | None = None
        self._database: sqlite3.Connection | None = None
        with _lock:
            self._take()
        try:
            self._database = sqlite3.connect(
                f"file:{quote(os.path.abspath(path))}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=10,
            )
            self._begin(self._database, function, version)
        except sqlite3.Error as error:
            self.close()
            raise damaged(path, error) from error
        except BaseException:
            self.close()
            raise

    def _take(self) -> None:
        """The file, private to its owner, and the lock on it."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            try:
                descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                there = os.lstat(self.path)
                check_safe(self.path, there)
                if (there.st_dev, there.st_ino) in _in_use:
                    raise _busy(self.path, "this process") from None
                descriptor = os.open(self.path, flags)
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint {self.path!r} cannot be opened: {error.strerror}. Give the path of a file in a folder that can be written to"
            ) from error
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, LOCK_BYTE)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise _busy(self.path, "another process") from None
            raise CheckpointError(f"the checkpoint {self.path!r} cannot be locked: {error.strerror}") from error
        self._descriptor = descriptor
        found = os.fstat(descriptor)
        self._identity = (found.st_dev, found.st_ino)
        _in_use[self._identity] = self

    def _begin(self, database: sqlite3.Connection, function: str, version: str | None) -> None:
        is_new = look_at_format(database, self.path) is None
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        if is_new:
            mine = {"face": "python", "function": function} | ({} if version is None else {"version": version})
            database.execute("BEGIN IMMEDIATE")
            database.execute(f"PRAGMA application_id={APPLICATION}")
            database.execute(f"PRAGMA user_version={FORMAT}")
            for statement in _SCHEMA:
                database.execute(statement)
            database.executemany("INSERT INTO meta VALUES (?, ?)", mine.items())
            database.execute("COMMIT")
            return
        meta = read_meta(database, self.path)
        if meta["face"] != "python":
            raise CheckpointError(
                f"the checkpoint {self.path!r} was written by a {meta['face']} program, whose values Python cannot read. {ANEW}"
            )
        if meta["function"] != function:
            raise CheckpointError(
                f"the checkpoint {self.path!r} holds results of another function or of other code: {meta['function']}, and this is "
                f"{function} (also another version of Python has other code). {ANEW}"
            )
        if meta.get("version") != version:
            raise CheckpointError(
                f"the checkpoint {self.path!r} was written with checkpoint_version={version_shown(meta.get('version'))}, and this is "
                f"{version_shown(version)}. {ANEW}"
            )
        whole = database.execute("PRAGMA quick_check(1)").fetchone()
        if whole != ("ok",):
            raise damaged(self.path, whole[0])
        self.rows = database.execute("SELECT count(*) FROM done").fetchone()[0]

    def look(self, key: bytes, digest: bytes) -> bytes | None:
        """The value in the row of that key and digest."""
        assert self._database is not None
        try:
            row = self._database.execute("SELECT digest, value, seal FROM done WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise damaged(self.path, error) from error
        if row is None or row[0] != digest:
            return None
        value: bytes = row[1]
        if row[2] != _seal(key, digest, value):
            raise damaged(self.path, f"the row {key!r} has changed since it was written")
        return value

    def write(self, rows: list[tuple[bytes, bytes, bytes]]) -> None:
        """Adds rows, in one transaction."""
        database = self._database
        assert database is not None
        try:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?)", [(*row, _seal(*row)) for row in rows]
            )
            database.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise CheckpointError(
                f"the checkpoint {self.path!r} cannot be written: {error}. What it has so far stays good: make room, or mend the folder, and "
                "run again"
            ) from error
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        if self._database is not None and self._database.in_transaction:
            try:
                self._database.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # it is undone when the file is opened next

    def close(self) -> None:
        """Lets go of the file. Idempotent."""
        with _lock:
            if self in _inherited:
                return
            database, self._database = self._database, None
            try:
                if database is not None:
                    database.close()
            except sqlite3.Error:
                pass  # what was written is in the log beside the file
            finally:
                if self._identity is not None:
                    _in_use.pop(self._identity, None)
                    self._identity = None
                descriptor, self._descriptor = self._descriptor, -1
                if descriptor >= 0:
                    os.close(descriptor)  # last: it drops the process's locks on the file


def opening() -> threading.Lock:
    """Held around whatever opens or closes a checkpoint file in this process."""
    return _lock


def check_safe(path: str, found: os.stat_result) -> None:
    """Raises unless it is a plain file that nobody but its owner can write to: its values are pickles, which run as code."""
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(
            f"the checkpoint {path!r} is no plain file (a link, a folder or a device). Give another path"
        )
    if found.st_mode & 0o022:
        raise CheckpointError(
            f"others may write to the checkpoint {path!r}, and reading it runs what they wrote. Look where it comes from; if it is good, "
            "take the permission away: chmod go-w"
        )


def look_at_format(database: sqlite3.Connection, path: str) -> int | None:
    """The file's format; None for a database in which there is nothing."""
    application: int = database.execute("PRAGMA application_id").fetchone()[0]
    written: int = database.execute("PRAGMA user_version").fetchone()[0]
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    if application == 0 and written == 0 and not tables:
        return None
    if application != APPLICATION:
        what = f"with the tables {', '.join(tables[:5])}" if tables else f"of application {application:#x}"
        raise CheckpointError(f"{path!r} is no checkpoint but another database, {what}. Give another path")
    if written != FORMAT:
        raise CheckpointError(
            f"the checkpoint {path!r} has format {written}, and this version of centimane reads format {FORMAT}. Go on with the version "
            f"that wrote it. {ANEW}"
        )
    if tables != ["done", "meta"]:
        raise damaged(path, "its tables are not those of a checkpoint")
    return written


def read_meta(database: sqlite3.Connection, path: str) -> dict[str, str]:
    """Face, function and version."""
    meta: dict[Any, Any] = dict(database.execute("SELECT name, value FROM meta"))
    if not {"face", "function"} <= meta.keys() or not all(isinstance(value, str) for value in meta.values()):
        raise damaged(path, "it does not say whose results it holds")
    return meta


def damaged(path: str, why: object) -> CheckpointError:
    """The error of a file that is not what it was, or never was a database."""
    return CheckpointError(f"the checkpoint {path!r} is damaged, or no checkpoint: {why}. {ANEW}")


def _busy(path: str, whose: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint {path!r} is in use by a run of {whose}. Wait for its end, or give each run a path of its own"
    )


def _seal(key: bytes, digest: bytes, value: bytes) -> bytes:
    seal = hashlib.blake2b(b"%d:%b%b" % (len(key), key, digest), digest_size=8)
    seal.update(value)
    return seal.digest()


def version_text(version: Any) -> str | None:
    """How a version token stands in the file: with its types."""
    if version is None:
        return None
    if isinstance(version, tuple):
        return "t:" + json.dumps([_part(part) for part in version])  # pyright: ignore[reportUnknownVariableType]
    return _part(version)


def _part(version: Any) -> str:
    if isinstance(version, bool) or not isinstance(version, (str, int, bytes)):
        raise TypeError(
            f"checkpoint_version must be a str, an int, bytes or a tuple of these, not {type(version).__name__}: others do not "
            "look the same in the next run"
        )
    if isinstance(version, int):
        return f"i:{version}"
    if isinstance(version, str):
        return f"s:{version}"
    return "b:" + base64.b64encode(version).decode()


def version_value(text: str | None) -> Any:
    """The token that was given as ``checkpoint_version``. Raises ValueError if the text is none."""
    if text is None:
        return None
    kind, _, rest = text.partition(":")
    if kind == "t":
        return tuple(version_value(part) for part in json.loads(rest))
    if kind == "i":
        return int(rest)
    if kind == "s":
        return rest
    if kind == "b":
        return base64.b64decode(rest, validate=True)
    raise ValueError("not a version")


def version_shown(text: str | None) -> str:
    """For messages."""
    try:
        return repr(version_value(text))
    except ValueError:
        return repr(text)
