"""What workers take over from the process they work for: directory, paths, environment and a few settings of the interpreter."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
    from typing import Any
else:
    import _pickle as pickle


def _warning_filters() -> Any:
    """The module that holds the filters in force: ``warnings``, or the interpreter's own where nobody has imported it."""
    module = sys.modules.get("warnings")
    if module is not None:
        return module
    import _warnings

    return _warnings


def _log_levels(logging: Any) -> tuple[int, int, dict[str, tuple[int, bool]]]:
    """What decides which records are made: the root's level, what is disabled, and the loggers with a word of their own."""
    manager = logging.root.manager
    named = {
        name: (logger.level, bool(logger.disabled))
        for name, logger in tuple(manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and (logger.level or logger.disabled)
    }
    return logging.root.level, manager.disable, named


def _environment() -> dict[bytes, bytes]:
    """A copy, as bytes: each look through ``os.environ`` itself encodes and decodes."""
    return dict(getattr(os.environ, "_data", None) or os.environb.items())


_last: tuple[list[Any], bytes] | None = None
"""What was captured last, and its bytes: a program's state seldom changes between two runs."""


def capture() -> bytes:
    """The state of this process, as workers will have it. Equal states give equal bytes.

    Cost: some ten microseconds; a hundred when it has changed since the last time.
    """
    global _last
    try:
        here: str | None = os.getcwd()
    except OSError:  # the directory is gone
        here = None
    logging = sys.modules.get("logging")
    now = [
        list(map(str, sys.path)),
        here,
        _environment(),
        list(getattr(sys, "argv", ())),
        sys.getrecursionlimit(),
        sys.get_int_max_str_digits(),
        _log_levels(logging) if logging is not None else None,
        list(_warning_filters().filters),
    ]
    last = _last
    if last is not None and last[0] == now:
        return last[1]
    try:
        filters = pickle.dumps(now[-1], 5)
        warnings = filters if b"__main__" not in filters else None
    except Exception:  # a category that lives nowhere
        warnings = None
    names = ("path", "cwd", "env", "argv", "recursion", "digits", "logging")
    blob = pickle.dumps({**dict(zip(names, now, strict=False)), "warnings": warnings}, 5)
    _last = now, blob
    return blob


def take(blob: bytes, *, logging_too: bool = True) -> None:
    """Makes this process's state like the one captured. A setting that cannot be had here is left as it is.

    logging_too: levels too, and records go to the driver.
    """
    state: dict[str, Any] = pickle.loads(blob)
    sys.path[:] = state["path"]
    sys.argv = state["argv"]
    if state["cwd"] is not None:
        try:
            os.chdir(state["cwd"])
        except OSError:
            pass
    wanted: dict[bytes, bytes] = state["env"]
    for name in os.environb.keys() - wanted.keys():
        del os.environb[name]
    for name, value in wanted.items():
        if os.environb.get(name) != value:
            os.environb[name] = value
    sys.setrecursionlimit(state["recursion"])
    sys.set_int_max_str_digits(state["digits"])
    if logging_too and state["logging"] is not None:
        import logging

        from ._output import take_levels

        take_levels(logging, state["logging"])
    if state["warnings"] is not None:
        here = _warning_filters()
        try:
            filters = pickle.loads(state["warnings"])
            if filters != here.filters:
                import warnings

                warnings.filters[:] = filters  # type: ignore[index]
                warnings._filters_mutated()  # type: ignore[attr-defined]
        except Exception:  # a category of a module that cannot be imported here
            pass
