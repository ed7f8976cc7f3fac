"""How a process of ours is started, watched and ended: what ``multiprocessing`` calls a ``Popen``."""

from __future__ import annotations

import os
import signal
from multiprocessing import util
from typing import TYPE_CHECKING

from .. import _child, _children

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from typing import Any


def popen(process_obj: BaseProcess) -> Any:
    """Starts the process.

    It is forked from this one, as by the "fork" method, if that is the only way: if it is handed a lock of the standard library's that
    only a fork can inherit, or if this program has no interpreter to start.
    """
    try:
        return Popen(process_obj)
    except _OnlyByFork:
        from multiprocessing.popen_fork import Popen as Forked

        return Forked(process_obj)


class _OnlyByFork(Exception):
    """No other way."""


class Popen:
    """A process that was forked by the zygote.

    Attributes:
        pid: its process id.
        sentinel: a pidfd: readable from the end of the process on.
        returncode: its exit code, or minus the signal that ended it; None while it lives.
    """

    method = "centimane"
    DupFd = _child.Inherited

    def __init__(self, process_obj: BaseProcess) -> None:
        util._flush_std_streams()  # type: ignore[attr-defined]
        self.returncode: int | None = None
        self.fds: list[int] = []
        self._parent = os.getpid()
        try:
            started = _children.start(process_obj, self)
        except RuntimeError as refusal:
            if "fork context" in str(refusal) or "inheritance" in str(refusal):
                raise _OnlyByFork from refusal
            raise
        if started is None:
            raise _OnlyByFork
        self._child = started
        self.pid = started.pid
        self.sentinel = started.sentinel

    def duplicate_for_child(self, fd: int) -> int:
        """While it is pickled: hands on a descriptor. Answers its place there, for ``DupFd``."""
        if fd not in self.fds:
            self.fds.append(fd)
        return self.fds.index(fd)

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """The exit code if it has ended, without waiting for that."""
        return self.wait(0 if flag == os.WNOHANG else None)

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits for its end, or for so many seconds; the exit code, or None if it lives."""
        if self.returncode is None and os.getpid() == self._parent:
            how = self._child.ended(1e10 if timeout is None else timeout)
            if how is not None:
                known, by_signal, code = how
                self.returncode = -by_signal if by_signal else code if known else 255
        return self.returncode

    def _send_signal(self, number: int) -> None:
        if self.returncode is None and os.getpid() == self._parent:
            self._child.signal(number)

    def terminate(self) -> None:
        """Sends SIGTERM. One that has ended is no error, and nobody else is sent it."""
        self._send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL; else as ``terminate``."""
        self._send_signal(signal.SIGKILL)

    def interrupt(self) -> None:
        """Sends SIGINT; else as ``terminate``."""
        self._send_signal(signal.SIGINT)

    def close(self) -> None:
        """Lets go of the descriptor. The process has ended."""
        self.__dict__.pop("_child", None)
