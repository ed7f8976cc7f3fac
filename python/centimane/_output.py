"""In a worker: what tasks print and log, on its way to the driver.

Whole lines and whole records go, so that workers never mix inside a line. What is said outside of a task (by an initialiser, by a
thread between two tasks) goes where the process's own standard streams go.
"""

from __future__ import annotations

import _thread
import io  # an interpreter has it from the start
import sys

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from typing import Any, TextIO
else:
    import _pickle as pickle

OUT, ERR, RECORD = ord("o"), ord("e"), ord("r")
"""What a word to the driver is."""
LONGEST = _core.LONGEST_WORD // 4
"""Characters that surely go as one word. A longer line goes in several, between which another worker's may come."""


class Lines(io.TextIOBase):
    """Stands for ``sys.stdout`` or ``sys.stderr``. A line goes when it is whole; what has no end yet, when its task ends."""

    def __init__(self, kind: int, inherited: TextIO | None) -> None:
        self._kind = kind
        self._inherited: Any = inherited
        self._waiting: dict[int, str] = {}  # by thread: their lines do not mix either

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not _core.may_tell():
            return len(text) if self._inherited is None else self._inherited.write(text)
        me = _thread.get_ident()
        whole = self._waiting.pop(me, "") + text
        cut = whole.rfind("\n") + 1
        if cut == 0 and len(whole) >= LONGEST:
            cut = len(whole)
        if cut < len(whole):
            self._waiting[me] = whole[cut:]
            _core.text_waits()
        if cut:
            self._send(whole[:cut])
        return len(text)

    def _send(self, lines: str) -> None:
        while len(lines) > LONGEST:
            cut = lines.rfind("\n", 0, LONGEST) + 1 or LONGEST
            _tell(self._kind, lines[:cut].encode("utf-8", "surrogatepass"))
            lines = lines[cut:]
        _tell(self._kind, lines.encode("utf-8", "surrogatepass"))

    def end_lines(self) -> None:
        """The task ends: what has no end of line is given one."""
        while self._waiting:
            _, text = self._waiting.popitem()
            self._send(text + "\n")

    def flush(self) -> None:
        if self._inherited is not None:
            self._inherited.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        """The inherited stream's: what is written there goes past the driver."""
        if self._inherited is None:
            raise OSError("this stream has no descriptor")
        return int(self._inherited.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inherited, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._inherited, "encoding", "utf-8")

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return getattr(self._inherited, "errors", "strict")


_streams: list[Lines] = []
_levels_set: list[Any] = []
_handlers: list[Any] = []


def _tell(kind: int, what: bytes) -> None:
    _core.tell(kind, what)  # what finds no room is counted there, and told with the next word


def take_streams() -> None:
    """At the start: puts ours in the place of the standard streams."""
    sys.stdout = Lines(OUT, sys.stdout)
    sys.stderr = Lines(ERR, sys.stderr)
    _streams[:] = (sys.stdout, sys.stderr)


def end_lines() -> None:
    """A task has ended with a line that has no end."""
    for stream in _streams:
        stream.end_lines()


# ---- logging


def take_levels(logging: Any, levels: tuple[int, int, dict[str, tuple[int, bool]]]) -> None:
    """Makes loggers as choosy as the driver's, and sends it what passes them. ``logging``: the module."""
    root, disabled, named = levels
    manager = logging.root.manager
    for logger in _levels_set:
        logger.setLevel(logging.NOTSET)
        logger.disabled = False
    if not _handlers:  # later ones are this process's own: of an initialiser, of a task
        for logger in [logging.root, *manager.loggerDict.values()]:
            if isinstance(logger, logging.Logger):  # those of a forked worker are copies of the driver's
                logger.handlers.clear()
                logger.propagate = True
        _handlers.append(_handler_class(logging)())
        logging.root.addHandler(_handlers[0])
    logging.root.setLevel(root)
    logging.disable(disabled)
    _levels_set[:] = [logging.getLogger(name) for name in named]
    for logger in _levels_set:
        level, logger.disabled = named[logger.name]
        logger.setLevel(level)


def _handler_class(logging: Any) -> Any:
    class ToDriver(logging.Handler):  # type: ignore[misc]
        """Sends each record to the driver, whose handlers it goes to."""

        def emit(self, record: Any) -> None:
            try:
                if _core.may_tell():
                    _tell(RECORD, _portable(record))
                elif record.levelno >= logging.WARNING and sys.stderr is not None:
                    sys.stderr.write(self.format(record) + "\n")
            except Exception:
                self.handleError(record)

    return ToDriver


def _portable(record: Any) -> bytes:
    """The record's fields, pickled: its message is made here, where its arguments are."""
    fields: dict[str, Any] = dict(record.__dict__)
    fields["msg"] = record.getMessage()
    fields["args"] = None
    if record.exc_info:
        fields["exc_text"] = _exception_text(record)
        fields["exc_info"] = None
    try:
        whole = pickle.dumps(fields, 5)
        if len(whole) <= _core.LONGEST_WORD:
            return whole
    except Exception:  # a field that cannot be pickled
        pass
    short = {name: _plain(value) for name, value in fields.items()}
    whole = pickle.dumps(short, 5)
    if len(whole) > _core.LONGEST_WORD:  # what somebody has added goes; the text is what matters
        whole = pickle.dumps({name: short[name] for name in _FIELDS if name in short}, 5)
    return whole


def _exception_text(record: Any) -> str:
    import logging

    return str(record.exc_text or logging.Formatter().formatException(record.exc_info))


_FIELDS = ("name", "msg", "levelno", "levelname", "pathname", "lineno", "created", "exc_text", "process", "threadName")
_PLENTY = 800


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _PLENTY else text[:_PLENTY] + "…"
