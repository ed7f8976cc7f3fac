"""What one call asks for: each option checked in one place, whatever face it was given to."""

from __future__ import annotations

from . import _check, _core, _nesting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._checkpoint import Admission
    from ._options import Start

_ANY_WAIT = float("inf")
_NO_POLICIES = _core.Policies(
    attempts=1,
    backoff=0.0,
    max_delay=_ANY_WAIT,
    max_server_wait=_ANY_WAIT,
    jitter=False,
    judge=None,
    max_errors=0,
    limiter=None,
    stop=None,
)


class Plan:
    """A call's arguments, checked. Whoever carries the run reads it.

    Args:
        given: the arguments of a public function by their names; what a form has no parameter for is at its default.
        star: is an item unpacked into the function's arguments?
        stream: are outcomes handed out as they come?

    Raises:
        TypeError, ValueError, OSError, CheckpointError: a bad argument.
    """

    def __init__(self, given: Mapping[str, Any], *, star: bool = False, stream: bool = False) -> None:
        self.star = star
        self.stream = stream
        self._work(given)
        self._place(given)
        self._watchers(given)
        self._limits(given)
        self.admitted: Admission | None = None
        self.admission = self._admission(given)

    def let_go(self) -> None:
        """The run is over: its checkpoint, if it has one, is there for others."""
        if self.admitted is not None:
            self.admitted.close()

    def _work(self, given: Mapping[str, Any]) -> None:
        """What is applied to what."""
        function, items = given["fn"], given["items"]
        if not callable(function):
            raise TypeError(f"the function must be callable, not {type(function).__name__}")
        if isinstance(items, type) or not (hasattr(items, "__iter__") or hasattr(items, "__getitem__")):
            raise TypeError(f"items must be iterable, not {type(items).__name__}")
        self.function: Callable[..., Any] = function
        self.items = items

    def _place(self, given: Mapping[str, Any]) -> None:
        """Where it runs, on how many workers, made how."""
        executor, workers, start = given["executor"], given["workers"], given["start"]
        if executor not in ("thread", "process", "sequential"):
            raise ValueError(f"executor must be 'thread', 'process' or 'sequential', not {executor!r}")
        if start not in (None, "zygote", "fork"):
            raise ValueError(f"start must be 'zygote' or 'fork', not {start!r}")
        here = _check.flag("sequential", given.get("sequential", False)) or executor == "sequential"
        in_order = here or (executor == "thread" and workers == 1)
        if executor != "process" and not here:
            # Said, not ignored.
            for name in ("max_tasks_per_worker", "start"):
                if given[name] is not None:
                    raise ValueError(f"{name} needs executor='process': threads are not made anew")
        if workers is not None:
            workers = _check.whole("workers", workers, most=4096)
        elif not here:
            workers = _nesting.default_workers() if executor == "process" else min(32, _core.cpu_count() + 4)
        self.executor: str = "sequential" if in_order else executor
        self.workers: int = workers or 1
        self.start: Start = start or "zygote"
        recycled, chunksize, context = given["max_tasks_per_worker"], given["chunksize"], given["context"]
        self.max_tasks = None if recycled is None else _check.whole("max_tasks_per_worker", recycled)
        self.chunk = 1
        if chunksize is not None and _check.whole("chunksize", chunksize) > 1:
            for name in ("rate_limit", "retry", "max_errors", "checkpoint", "item_key"):
                if given[name] is not None:
                    raise ValueError(f"chunksize makes items one piece of work: {name} needs each alone")
            if executor == "process" and not here:
                self.chunk = _check.whole("chunksize", chunksize)
        self.init = _check.callback("worker_init", given["worker_init"])
        if given["worker_init_args"]:
            arguments = _check.several("worker_init_args", given["worker_init_args"])
            if self.init is None:
                raise ValueError("worker_init_args needs worker_init")
            import functools

            self.init = functools.partial(self.init, *arguments)
        self.context = _check.variables(context) if context else ()

    def _watchers(self, given: Mapping[str, Any]) -> None:
        """Who is told of what."""
        self.on_progress = _check.callback("on_progress", given["on_progress"])
        self.on_result = _check.callback("on_result", given.get("on_result"))
        self.on_event = _check.callback("on_event", given["on_event"])
        self.progress = _check.flag("progress", given["progress"])
        self.insights = _check.flag("insights", given["insights"])
        trace = given["trace"]
        self.trace = b"" if trace is None else _check.file_to_write("trace", trace)

    def _limits(self, given: Mapping[str, Any]) -> None:
        """Order, windows, times, policies."""
        self.ordered = _check.flag("ordered", given.get("ordered", True))
        window, batch, window_bytes = given["window_size"], given["batch_size"], given["window_bytes"]
        if window is not None and batch is not None and window != batch:
            raise ValueError("window_size and batch_size are two names of one option: give one of them")
        window = window if window is not None else batch
        self.window = 0 if window is None else _check.whole("window_size", window)
        self.window_bytes = 0 if window_bytes is None else _check.whole("window_bytes", window_bytes)
        timeout, task_timeout = given["timeout"], given["task_timeout"]
        self.timeout = None if timeout is None else _check.seconds("timeout", timeout)
        self.task_timeout = None if task_timeout is None else _check.seconds("task_timeout", task_timeout)
        self.policies = _policies(given["rate_limit"], given["retry"], given["max_errors"], given["stop"])

    def _admission(self, given: Mapping[str, Any]) -> Callable[[], Admission] | None:
        """What names items and knows recorded ones; called when the run begins."""
        checkpoint, version, row_key = given["checkpoint"], given["checkpoint_version"], given["checkpoint_key"]
        item_key = _check.callback("item_key", given["item_key"])
        _check.callback("checkpoint_key", row_key)
        if checkpoint is None and not (version is None and row_key is None):
            raise ValueError("checkpoint_version and checkpoint_key need checkpoint=")
        if checkpoint is None and item_key is None:
            return None
        from ._checkpoint import prepare

        return prepare(self.function, checkpoint, version, item_key, row_key, later=self.stream)


def _policies(rate_limit: Any, retry: object, max_errors: object, stop: object) -> _core.Policies:
    if rate_limit is None and retry is None and max_errors is None and stop is None:
        return _NO_POLICIES
    from ._limiter import limiter_of
    from ._policies import Retry
    from ._stop import StopToken

    if retry is not None and not isinstance(retry, Retry):
        raise TypeError(f"retry must be a Retry, not {type(retry).__name__}")
    if stop is not None and not isinstance(stop, StopToken):
        raise TypeError(f"stop must be a StopToken, not {type(stop).__name__}")
    again = retry or Retry(attempts=1)
    return _core.Policies(
        attempts=again.attempts,
        backoff=again.backoff,
        max_delay=again.max_delay,
        max_server_wait=_ANY_WAIT if again.max_server_wait is None else again.max_server_wait,
        jitter=again.jitter,
        judge=None if retry is None else retry.judge,
        max_errors=0 if max_errors is None else _check.whole("max_errors", max_errors),
        limiter=limiter_of(rate_limit),
        stop=None if stop is None else stop.core,
    )
