"""A process of one function, from its first step to its exit code. Called by the engine, in such processes only."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from multiprocessing import process, util

from . import _core, _nesting, _state, _worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from multiprocessing.process import BaseProcess
    from typing import Any
else:
    import _pickle as pickle

_descriptors: list[int] = []
_definitions = b""


class Inherited:
    """A descriptor that was handed on: its place among those that came."""

    def __init__(self, place: int) -> None:
        self._place = place

    def detach(self) -> int:
        """The descriptor here."""
        return _descriptors[self._place]


def main(payload: memoryview, more: int, driver: int) -> int:
    """Runs the process; answers its exit code.

    Args:
        payload: what ``_children.start`` has written.
        more: the socket with further descriptors, or -1.
        driver: a pidfd of the process that started this one, or -1.
    """
    try:
        body = _set_up(payload, more)
        it: Any = _read(body)
    except BaseException as error:
        sys.stderr.write(f"Process {os.getpid()} cannot begin:\n{_worker.traceback_of(error)}")
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
    else:
        code = it._bootstrap(driver if driver >= 0 else None)
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    util._flush_std_streams()  # type: ignore[attr-defined]
    return int(code) & 0xFF


def _set_up(payload: memoryview, more: int) -> memoryview:
    """Everything that comes before the process object can be read; answers its pickle."""
    global _definitions
    begin = 8 + int.from_bytes(payload[:8], "little")
    how: dict[str, Any] = pickle.loads(payload[8:begin])
    signal.signal(signal.SIGINT, signal.default_int_handler if how["interrupts"] else signal.SIG_IGN)
    for stream, manner in zip((sys.stdout, sys.stderr), how["streams"], strict=True):
        if manner is not None and stream is not None:
            encoding, errors, lines, through = manner
            standard: Any = stream
            standard.reconfigure(encoding=encoding, errors=errors, line_buffering=lines, write_through=through)
    _nesting.depth, _nesting.siblings = how["nesting"]
    _core.join_family(how["family"])
    _worker.become_main({**how["main"], "__getattr__": _find_definition})
    _state.take(how["state"], logging_too=False)
    _forget_inherited()
    process.current_process().authkey = how["authkey"]
    to_stderr, level = how["log"]
    if to_stderr:
        util.log_to_stderr()
    if level is not None:
        util.get_logger().setLevel(level)
    if how["method"] == "centimane":
        from multiprocessing.context import _force_start_method  # pyright: ignore[reportPrivateUsage]

        _force_start_method("centimane")
    if how["fds"]:
        _take_descriptors(more, how["fds"])
    of_process, of_definitions = how["lengths"]
    middle = begin + of_process
    _definitions = bytes(payload[middle : middle + of_definitions])
    return payload[begin:middle]


def _forget_inherited() -> None:
    """What the fork copied of the zygote."""
    atexit._clear()  # pyright: ignore[reportPrivateUsage]
    util._finalizer_registry.clear()  # type: ignore[attr-defined]
    util._run_after_forkers()  # type: ignore[attr-defined]
    atexit.register(util._exit_function)  # type: ignore[attr-defined]
    # The random module reseeds itself after a fork; NumPy's global state does not.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _take_descriptors(more: int, number: int) -> None:
    import socket
    from multiprocessing import reduction

    from ._children import BATCH

    with socket.socket(fileno=more) as source:
        while len(_descriptors) < number:
            _descriptors.extend(reduction.recvfds(source, min(BATCH, number - len(_descriptors))))
    for one in _descriptors:
        os.set_inheritable(one, False)


def _read(body: memoryview) -> BaseProcess:
    here: Any = process.current_process()
    here._inheriting = True  # proxies of managers ask
    try:
        it: BaseProcess = pickle.loads(body)
    finally:
        del here._inheriting
    target: Any = getattr(it, "_target", None)
    for named in (target, type(it)):
        # It can be named in pickles, then.
        name = getattr(named, "__qualname__", "")
        if getattr(named, "__module__", "") == "__main__" and isinstance(name, str) and name.isidentifier():
            sys.modules["__main__"].__dict__.setdefault(name, named)
    return it


# ---- what __main__ defines besides


def load_definitions() -> None:
    """Binds what the main module defines. What this process has bound or changed there itself stays."""
    global _definitions
    blob, _definitions = _definitions, b""
    if not blob:
        return
    namespace = sys.modules["__main__"].__dict__
    before = dict(namespace)
    found = pickle.loads(blob)
    namespace.update(found)
    namespace.update(before)


def _find_definition(name: str) -> Any:
    """The main module's ``__getattr__``: for names that nothing has bound yet."""
    if _definitions and not (name.startswith("__") and name.endswith("__")):
        load_definitions()
        namespace = sys.modules["__main__"].__dict__
        if name in namespace:
            return namespace[name]
    raise AttributeError(f"module '__main__' has no attribute {name!r}")
