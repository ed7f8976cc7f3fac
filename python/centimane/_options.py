"""The options of a run, named and typed once for every face that takes them as ``**options``.

What each does is told at ``parallel_map``, where they have their defaults; ``Plan`` checks them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextvars import ContextVar
    from typing import Any, Literal, TypedDict

    from ._checkpoint import Key, Version
    from ._limiter import Limiter
    from ._policies import RateLimit, Retry
    from ._result import ItemResult
    from ._stop import StopToken
    from .events import Event

    Executor = Literal["thread", "process", "sequential"]
    AsyncExecutor = Literal["async", "thread", "process"]
    Start = Literal["zygote", "fork"]
    OnCancel = Literal["kill", "release"]

    class Common(TypedDict, total=False):
        """What every form of every face takes."""

        workers: int | None
        window_size: int | None
        batch_size: int | None
        window_bytes: int | None
        chunksize: int | None
        timeout: float | None
        task_timeout: float | None
        on_progress: Callable[[int, int], object] | None
        progress: bool
        worker_init: Callable[..., object] | None
        worker_init_args: Sequence[Any]
        max_tasks_per_worker: int | None
        start: Start | None
        context: Iterable[ContextVar[Any]]
        rate_limit: Limiter | RateLimit | float | None
        retry: Retry | None
        max_errors: int | None
        checkpoint: str | os.PathLike[str] | None
        checkpoint_version: Version | None
        checkpoint_key: Callable[[Any], Key] | None
        item_key: Callable[[Any], Key] | None
        insights: bool
        trace: str | os.PathLike[str] | None
        on_event: Callable[[Event], object] | None

    class Options(Common, total=False):
        executor: Executor
        sequential: bool

    class Defaults(Options, total=False):
        """Those of ``@parallel``."""

        on_result: Callable[[ItemResult[Any]], object] | None

    class MapOptions(Defaults, total=False):
        stop: StopToken | None

    class StreamOptions(Options, total=False):
        ordered: bool
        stop: StopToken | None

    class AsyncOptions(Common, total=False):
        """Beside ``executor``, on which the function's type depends."""

        concurrency: int | None
        on_cancel: OnCancel | None

    class AsyncDefaults(AsyncOptions, total=False):
        """Those of ``@async_parallel``."""

        on_result: Callable[[ItemResult[Any]], object] | None

    class AsyncMapOptions(AsyncDefaults, total=False):
        stop: StopToken | None

    class AsyncStreamOptions(AsyncOptions, total=False):
        ordered: bool
        stop: StopToken | None


_SYNONYMS = (("window_size", "batch_size"), ("workers", "concurrency"))
"""Two names of one option each."""


def refuse_unknown(
    who: str, given: Mapping[str, object], function: Callable[..., Any], without: Collection[str] = ()
) -> None:
    """Raises TypeError for the first name that is no option of a public function, with the one that was probably meant."""
    known: Mapping[str, object] = function.__kwdefaults__ or {}
    for name in given:
        if name in without:
            raise TypeError(f"{who} takes no {name}: give it to the call of map or stream")
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known.keys() - without, n=1)
            raise TypeError(f"{who} takes no {name}" + (f": did you mean {near[0]}?" if near else ""))


def merged(
    defaults: Mapping[str, Any],
    given: Mapping[str, Any],
    function: Callable[..., Any],
    without: Collection[str] = (),
) -> dict[str, Any]:
    """A decorator's options and those of one call: what the call names counts, even None.

    Args:
        defaults: the decorator's.
        given: the call's.
        function: the public function that is to be called with them.
        without: what the decorator says about other forms.

    Raises:
        TypeError: the call names what is no option of ``function``.
    """
    refuse_unknown(function.__name__, given, function)
    how = {name: value for name, value in defaults.items() if name not in without}
    for pair in _SYNONYMS:
        if pair[0] in given or pair[1] in given:
            how.pop(pair[0], None)
            how.pop(pair[1], None)
    how.update(given)
    return how
