"""Connections between processes: ``multiprocessing.connection``, with a ``Pipe`` whose ends may be sent at any time.

An end of the standard library's pipe travels only while a process is started; elsewhere plain pickle copies the number of its
descriptor, which means something else over there. An end of this one brings its descriptor along wherever it is pickled: to a process
that is being started, to workers, through queues.
"""

from __future__ import annotations

import multiprocessing.connection as _standard
from multiprocessing import reduction
from multiprocessing.connection import Client, Listener, answer_challenge, deliver_challenge, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Client", "Connection", "Listener", "Pipe", "answer_challenge", "deliver_challenge", "wait"]


class Connection(_standard.Connection):
    """An end of a pipe: the standard library's, which can be pickled at any time.

    Each pickle is good for one process. Until that has read it, this process keeps the descriptor for it, and a thread that hands it over;
    both processes need the same ``current_process().authkey``, which processes that one has started have.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _taken, (type(self), reduction.DupFd(self.fileno()), self.readable, self.writable)


def _taken(kind: type[Connection], descriptor: Any, readable: bool, writable: bool) -> Connection:
    """An end out of its pickle."""
    return kind(descriptor.detach(), readable, writable)


def _ours(end: Any) -> Connection:
    """An end of the standard library's, taken over."""
    made = Connection(end.fileno(), end.readable, end.writable)
    end._handle = None
    return made


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:
    """Two connected ends.

    Args:
        duplex: both ends send and receive; else the first only receives and the second only sends.
    """
    first, second = _standard.Pipe(duplex)
    return _ours(first), _ours(second)
