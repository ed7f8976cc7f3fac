"""A worker process's Python side: set-up, definitions, and what becomes of exceptions. Called by the engine, in workers only."""

from __future__ import annotations

import atexit
import faulthandler
import os
import sys

from . import _core, _nesting, _output, _state

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    import signal
    from types import FunctionType, ModuleType
    from typing import Any

    from ._errors import PayloadError, ResourceLimit
else:
    # Their halves in C, which an interpreter has loaded anyway: what is imported here, every start waits for.
    import _pickle as pickle
    import _signal as signal

    from ._functions import FunctionType

    ModuleType = type(sys)


class TaskStopped(BaseException):
    """Raised into a task whose time is up, so that its worker can be kept. Its outcome is settled already."""


inherited: dict[int, Any] = {}
"""Functions that workers made with ``start="fork"`` find in the memory they were born with."""

_binding_failures: list[str] = []
_home: str | None = None
_umask = 0o022


def _stop_task(_signal: int, _frame: object) -> None:
    if _core.soft_stop_due():
        raise TaskStopped("this task has passed its task_timeout")


def become_main(description: dict[str, Any]) -> None:
    """An empty module under the name of the driver's: never executed, filled by definitions."""
    module = ModuleType("__main__")
    module.__dict__.update(description)
    module.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module


def set_up(blob: bytes) -> None:
    """Makes this process ready for its first task. What it raises is a failed start."""
    how: dict[str, Any] = pickle.loads(blob)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(_core.stop_signal(), _stop_task)
    text = _core.crash_text()
    if text >= 0:
        faulthandler.enable(file=text, all_threads=False)
        faulthandler.register(_core.stack_signal(), file=text, all_threads=True, chain=True)
        _core.face_writes_stacks()
    _nesting.depth, _nesting.siblings = how["nesting"]
    _core.join_family(how["family"])
    if how["main"] is not None:
        become_main(how["main"])
    _output.take_streams()
    _state.take(how["state"])
    if how["authkey"] is not None:
        import multiprocessing.process

        multiprocessing.process.current_process().authkey = how["authkey"]
    _forget_inherited()
    _remember_home()
    if how["init"] is not None:
        initializer, arguments = pickle.loads(how["init"])
        initializer(*arguments)
        _remember_home()


def _forget_inherited() -> None:
    """What a fork copied and must not be shared: exit hooks of others, the state of random generators."""
    atexit._clear()  # pyright: ignore[reportPrivateUsage]
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.current_process().name = f"PoolWorker-{os.getpid()}"
        process._children = set()  # type: ignore[attr-defined]
    util = sys.modules.get("multiprocessing.util")
    if util is not None:  # as a child of multiprocessing's begins
        util._finalizer_registry.clear()
        util._run_after_forkers()
        atexit.register(util._exit_function)
    # The random module reseeds itself after a fork; NumPy's global state does not, and all workers would draw the same numbers.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _remember_home() -> None:
    global _home, _umask
    try:
        _home = os.getcwd()
    except OSError:
        _home = None
    _umask = os.umask(0)
    os.umask(_umask)


def idle() -> None:
    """Nothing is there to do: shows what tasks printed, undoes what they left changed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except Exception:  # closed, or its reader is gone: not this worker's business
            pass
    try:
        moved = os.getcwd() != _home
    except OSError:
        moved = True
    if moved and _home is not None:
        try:
            os.chdir(_home)
        except OSError:
            pass
    os.umask(_umask)
    if signal.getsignal(_core.stop_signal()) is not _stop_task:
        signal.signal(_core.stop_signal(), _stop_task)


def end_lines() -> None:
    """The task has printed something without an end of line."""
    _output.end_lines()


def tear_down() -> None:
    """Orderly end: exit hooks that tasks registered, then the streams."""
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    idle()


# ---- definitions


def load_function(blob: bytes) -> Any:
    """The function of a run. One that lives in ``__main__`` is bound there, so that it can be named in pickles."""
    function = pickle.loads(blob)
    function = getattr(function, "centimane_wrapped", function)  # @parallel is about the process that maps
    name = getattr(function, "__qualname__", "")
    if isinstance(function, (FunctionType, type)) and function.__module__ == "__main__" and name.isidentifier():
        sys.modules["__main__"].__dict__.setdefault(name, function)
    return function


def load_carrier(_blob: bytes) -> Any:
    """What runs the function that comes within its task."""
    return _carry


def _carry(function: bytes, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    try:
        call = load_function(function)
    except TaskStopped:
        raise
    except BaseException as cause:  # SystemExit too, as for arguments
        raise unreadable(cause, True) from cause
    return call(*arguments, **keywords)


def find_inherited(token: int) -> Any:
    """A function that this process was forked with."""
    return inherited[token]


def bind_names(blob: bytes) -> None:
    """Binds names in ``__main__``. A failure is told by the items that need them."""
    try:
        names: dict[str, Any] = pickle.loads(blob)
    except BaseException as error:
        _binding_failures.append(f"{type(error).__name__}: {error}")
        raise
    sys.modules["__main__"].__dict__.update(names)


def take_state(blob: bytes) -> None:
    """The driver's state has changed since this process was set up."""
    _state.take(blob)
    _remember_home()


# ---- outcomes


def run_chunk(function: Any, items: list[Any], star: bool) -> Any:
    """A chunk's outcomes: the list of values, or ``(values, {place: described error})`` if some failed."""
    from ._remote import Refused

    values: list[Any] = []
    errors: dict[int, tuple[bytes | None, str, str, str]] = {}
    for place, item in enumerate(items):
        if item is Refused:
            values.append(None)
            continue
        try:
            values.append(function(*item) if star else function(item))
        except TaskStopped:
            raise
        except BaseException as error:
            errors[place] = describe(error)
            values.append(None)
    return (values, errors) if errors else values


def salvage_chunk(outcomes: Any) -> Any:
    """The same outcomes, with an error in place of each value that cannot be pickled."""
    values: list[Any]
    errors: dict[int, Any]
    if isinstance(outcomes, tuple):
        values, errors = outcomes  # pyright: ignore[reportUnknownVariableType]
    else:
        values, errors = outcomes, {}
    for place, value in enumerate(values):  # pyright: ignore[reportUnknownArgumentType]
        try:
            try:
                pickle.dumps(value, 5)
            except Exception as refusal:
                rescue(value, refusal)
        except TaskStopped:
            raise
        except BaseException as cause:
            errors[place] = describe(unwritable(value, cause))
            values[place] = None
    return values, errors


def rescue(value: object, _error: BaseException) -> bytes:
    """The pickle of a result that plain pickle refused."""
    from ._pickling import dumps_by_value

    return dumps_by_value(value, share_main=False)


def traceback_of(error: BaseException) -> str:
    """An exception with its traceback, as text."""
    import traceback

    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # an exception whose text cannot be had
        return f"{type(error).__name__} (its traceback could not be formatted)\n"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its text could not be had)"


def describe(error: BaseException) -> tuple[bytes | None, str, str, str]:
    """An exception for the driver: its pickle if there is one, and its description in any case."""
    pickled: bytes | None
    try:
        pickled = pickle.dumps(error, 5)
    except Exception as refusal:
        try:
            pickled = rescue(error, refusal)
        except Exception:
            pickled = None
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return pickled, name, _text_of(error), traceback_of(error)


def unreadable(cause: BaseException | None, of_function: bool) -> PayloadError:
    """For a task whose function or item cannot be rebuilt in this process."""
    from ._errors import PayloadError

    what = "the function" if of_function else "the item"
    why = f"{type(cause).__name__}: {_text_of(cause)}" if cause is not None else "it is not known here"
    error = PayloadError(f"{what} cannot be rebuilt in the worker: {why}", stage="read_args")
    for failure in _binding_failures[-3:]:
        error.add_note(f"before that a definition of __main__ could not be rebuilt: {failure}")
    error.__cause__ = cause
    return error


def _plain(cause: BaseException) -> BaseException | None:
    """An exception of Python's own that says the same and surely travels; None for others."""
    if type(cause).__module__ not in ("builtins", "_pickle"):
        return None
    try:
        return type(cause)(*(part if isinstance(part, (int, str)) else str(part) for part in cause.args))
    except Exception:  # one with arguments of its own
        return None


def unwritable(value: object, cause: BaseException) -> PayloadError | ResourceLimit:
    """For a result that cannot be pickled, or that there is no memory for."""
    from ._diagnose import refused
    from ._errors import ResourceLimit

    if isinstance(cause, ResourceLimit):
        return cause
    error = refused(value, cause, name="result", stage="write_result")
    error.__cause__ = cause
    error._refusal = _plain(cause)  # pyright: ignore[reportPrivateUsage]
    return error
