"""Processes of one function each, in the process that starts them: the zygotes that fork them, and what is sent to them.

Zygotes live as long as this process; one has loaded what all such processes need, so that a start costs a millisecond. A process
that needs cloudpickle, or modules that were named for it, comes from a zygote of its own kind.
"""

from __future__ import annotations

import _thread
import os
import sys
from multiprocessing import process, util
from multiprocessing.context import _default_context, set_spawning_popen  # pyright: ignore[reportPrivateUsage]

from . import _core, _main_names, _nesting, _processes, _state

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from multiprocessing.process import BaseProcess
    from typing import Any
else:
    import _pickle as pickle

_lock = _thread.allocate_lock()
_homes: dict[tuple[str, ...], _core.Children] = {}
"""By what they have loaded beyond the usual."""
_of_the_parent: list[_core.Children] = []
_preload: tuple[str, ...] = ()

FIRST = (
    "centimane._child",
    "centimane.multiprocessing._context",
    "centimane.multiprocessing.process",
    "multiprocessing.reduction",
)
"""What every such process needs."""
CLOUD = "cloudpickle"


def set_preload(names: list[str]) -> None:
    """Modules that processes find loaded: their zygote imports them, each by itself; one that cannot be imported is left out.

    Args:
        names: of modules that start no thread and open nothing: processes inherit what they hold. ``__main__`` is ignored.
    """
    global _preload
    if not all(isinstance(name, str) for name in names):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("module_names must be a list of strings")
    _preload = tuple(name for name in names if name != "__main__")


def _command(executable: str, first: tuple[str, ...]) -> list[bytes]:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = (
        f"import sys; sys.path[:1 if sys.path[:1] == [''] else 0] = [{package!r}]; "
        "from centimane._zygote import serve_processes; "
        f"serve_processes(3, {os.getpid()}, {list(map(str, sys.path))!r}, {first!r}, {_processes.for_all_workers()!r})"
    )
    flags = _processes._interpreter_flags()  # pyright: ignore[reportPrivateUsage]
    return [os.fsencode(part) for part in [executable, *flags, "-c", code]]


def _home(cloud: bool) -> _core.Children | None:
    """Where processes come from; None: there is no interpreter to start."""
    extra = (*((CLOUD,) if cloud else ()), *_preload)
    with _lock:
        for has, home in _homes.items():
            if set(extra).issubset(has):
                return home
        executable = _processes._executable()  # pyright: ignore[reportPrivateUsage]
        if executable is None:
            return None
        if not _homes:
            # After it has joined what is no daemon, and has ended what is.
            util.Finalize(None, close_all, exitpriority=-100)
        made = _homes[extra] = _core.Children(
            arguments=_command(executable, (*FIRST, *extra)),
            environment=[name + b"=" + value for name, value in os.environb.items()],
        )
        return made


def close_all() -> None:
    """Ends the zygotes, and with them every process that still runs."""
    with _lock:
        homes = list(_homes.values())
        _homes.clear()
    for home in homes:
        home.close()


def close_idle() -> None:
    """Ends the zygotes that have no process."""
    with _lock:
        idle = [extra for extra, home in _homes.items() if home.count == 0]
        homes = [_homes.pop(extra) for extra in idle]
    for home in homes:
        home.close()


def _streams() -> list[tuple[str, str, bool, bool] | None]:
    """How the standard streams of this process write."""
    found: list[tuple[str, str, bool, bool] | None] = []
    streams: list[Any] = [sys.__stdout__, sys.__stderr__]
    for stream in streams:
        try:
            found.append((stream.encoding, stream.errors, stream.line_buffering, stream.write_through))
        except AttributeError:  # there is none
            found.append(None)
    return found


def _head(fds: int, lengths: tuple[int, int]) -> bytes:
    """What a process sets up before it reads anything else."""
    return pickle.dumps(
        {
            "main": _processes._main_description(),  # pyright: ignore[reportPrivateUsage]
            "state": _state.capture(),
            "nesting": _nesting.enter(1),
            "family": _core.family(),
            "authkey": bytes(process.current_process().authkey),
            "streams": _streams(),
            "interrupts": _takes_interrupts(),
            "log": (util._log_to_stderr, util._logger.getEffectiveLevel() if util._logger is not None else None),  # type: ignore[attr-defined]
            "method": _default_context.get_start_method(allow_none=True),
            "fds": fds,
            "lengths": lengths,
        },
        5,
    )


def _takes_interrupts() -> bool:
    import signal

    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def start(process_obj: BaseProcess, spawning: Any) -> _core.Child | None:
    """Starts a process that runs ``process_obj``; returns once it has been forked. None: this program has no interpreter to start.

    Args:
        process_obj: it.
        spawning: what looks after the descriptors that it hands on, in ``fds``.

    Raises:
        PayloadError: something in it cannot be pickled.
        NestingError: this process is itself one of a process of a process …, too deep.
        StartFailed: the zygote cannot start, or cannot fork.
        ResourceLimit: there are no descriptors left, or no memory.
    """
    set_spawning_popen(spawning)
    try:
        body = _main_names.dump_process(process_obj, spawning.fds)
    finally:
        set_spawning_popen(None)
    definitions = _main_names.definitions()
    home = _home(b"cloudpickle" in body or b"cloudpickle" in definitions)
    if home is None:
        return None
    head = _head(len(spawning.fds), (len(body), len(definitions)))
    parts = [len(head).to_bytes(8, "little"), head, body, definitions]
    if not spawning.fds:
        return home.start(parts=parts, stdin=0, stdout=1, stderr=2, more=-1)
    ours, theirs = _carry(spawning.fds)
    with ours, theirs:
        return home.start(parts=parts, stdin=0, stdout=1, stderr=2, more=theirs.fileno())


BATCH = 200
"""Descriptors that one message carries."""


def _carry(fds: list[int]) -> tuple[Any, Any]:
    """A socket out of which all these descriptors can be taken, and the end that put them in."""
    import socket
    from multiprocessing import reduction

    ours, theirs = socket.socketpair()
    for at in range(0, len(fds), BATCH):
        reduction.sendfds(ours, fds[at : at + BATCH])
    return ours, theirs


def _after_fork_in_child() -> None:
    global _lock
    _lock = _thread.allocate_lock()
    _of_the_parent.extend(_homes.values())  # ending them is not this process's business
    _homes.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
