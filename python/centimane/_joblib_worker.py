"""joblib's batches as they travel, and in a worker: what carries them out. Imports nothing that a worker might not need."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

MOST_FUNCTIONS = 64

_environment: dict[str, str] = {}
_state_taken: bytes | None = None
_functions: dict[bytes, Any] = {}


def begin(environment: dict[str, str]) -> None:
    """A worker's initialiser: how many threads BLAS and OpenMP may have is read when they are loaded, so it is set before."""
    _environment.update(environment)
    os.environ.update(environment)


class ByValue:
    """A function in a batch that workers cannot import: its pickle, which they rebuild once."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self._blob,)


def _rebuilt(blob: bytes) -> Any:
    found = _functions.get(blob)
    if found is None:
        from ._worker import load_function

        found = load_function(blob)
        if len(_functions) >= MOST_FUNCTIONS:
            del _functions[next(iter(_functions))]
        _functions[blob] = found
    return found


def _follow(state: bytes | None) -> None:
    global _state_taken
    if state is not None and state != _state_taken:
        from ._worker import take_state

        take_state(state)
        os.environ.update(_environment)
        _state_taken = state


def run(calls: list[Call], nested: Any, n_jobs: int | None, state: bytes | None) -> list[Any]:
    """One batch: the values of its calls.

    Args:
        calls: functions with their arguments.
        nested: the backend for ``Parallel`` inside them.
        n_jobs: and its number of jobs; None: what they say.
        state: None, or the driver's state if it has changed since this worker began.
    """
    _follow(state)
    from joblib.parallel import BACKENDS, parallel_config  # pyright: ignore[reportMissingTypeStubs]

    if "centimane" not in BACKENDS:
        from .joblib import register

        register()
    with parallel_config(backend=nested, n_jobs=n_jobs):
        return [function(*arguments, **keywords) for function, arguments, keywords in calls]


def call(batch: Callable[[], Any], state: bytes | None) -> Any:
    """A batch of a kind that is not known here."""
    _follow(state)
    return batch()
