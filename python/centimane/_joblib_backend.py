"""The backend: how joblib's ``Parallel`` meets executors. Needs joblib."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportIncompatibleMethodOverride=false, reportPrivateUsage=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportMissingParameterType=false
# joblib has no types.

from __future__ import annotations

import functools
import logging
import queue
import threading
from concurrent.futures import Future
from types import FunctionType
from typing import Any

from joblib import cpu_count
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import (
    AutoBatchingMixin,
    BatchedCalls,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
)

from . import _by_value, _futures_faults, _joblib_worker, _nesting, _pickling, _warm_executors
from ._check import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("concurrent.futures")

IDLE_WORKER_TIMEOUT = 300.0
"""Seconds after which a worker without work leaves, as in loky."""

IGNORED = frozenset({"max_nbytes", "temp_folder", "mmap_mode", "verbose", "context"})
"""What joblib tells every backend: it is about memory-mapped files and multiprocessing, which are not used here."""


class WorkerDied(_futures_faults.WorkerDied, TerminatedWorkerError):  # type: ignore[misc]  # untyped base
    """The worker died while it ran this batch. Also what loky raises then, for old handlers; the next call works."""


class _Callbacks:
    """The thread that calls joblib's callbacks, one a call.

    They take the lock of their call, and then run the user's generator of tasks. If that waits for another call, the thread that
    settles the futures of both must not wait with it.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Callable[[Any], None], Future[Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="centimane-joblib", daemon=True).start()

    def put(self, callback: Callable[[Any], None], future: Future[Any]) -> None:
        """The future is done."""
        self._queue.put((callback, future))

    def end(self) -> None:
        """The call has ended: nobody wants to be told any more."""
        self._queue.put(None)

    def _serve(self) -> None:
        while (told := self._queue.get()) is not None:
            callback, future = told
            try:
                callback(future)
            except BaseException:  # as for futures: joblib 1.3 lets out what the user's generator of tasks raises
                LOGGER.exception("exception calling callback for %r", future)
            del told, callback, future  # a value is not kept while this waits


class CentimaneBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # untyped bases
    """Runs batches on worker processes that are kept between calls.

    Args:
        idle_worker_timeout: seconds after which a worker without work leaves.
        nesting_level: how deep inside other calls it is used; joblib says it.
        inner_max_num_threads: threads that BLAS, OpenMP and the like may have in each worker. By default, and unless the
            environment says otherwise, the processors divided by the number of workers.

    Raises:
        ValueError: ``idle_worker_timeout`` is not more than 0, ``inner_max_num_threads`` less than 1.
        TypeError: they are no numbers.

    Thread safety: as joblib's own: one call at a time each; its callbacks come on a thread of that call.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = False
    uses_threads = False
    # A task costs microseconds here, so that batches need not last as long as with joblib's own backends: they balance better.
    MIN_IDEAL_BATCH_DURATION = 0.05
    MAX_IDEAL_BATCH_DURATION = 0.5

    def __init__(
        self,
        *,
        idle_worker_timeout: float = IDLE_WORKER_TIMEOUT,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._idle_seconds = seconds("idle_worker_timeout", idle_worker_timeout)
        self._lock = threading.Lock()
        self._warm: _warm_executors.Warm | None = None
        self._state: bytes | None = None
        self._open: set[Future[Any]] = set()
        self._done: _Callbacks | None = None
        self._by_value: dict[Any, Any] = {}

    # ---- around a call

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """The workers of a call that asks for ``n_jobs``; negative numbers count from the processors down.

        Raises:
            ValueError: it is 0.
        """
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None or _nesting.depth >= _nesting.DEEPEST:
            return 1
        if n_jobs < 0:
            return int(max(cpu_count() // _nesting.siblings + 1 + n_jobs, 1))
        return n_jobs

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        idle_worker_timeout: float | None = None,
        **told: Any,
    ) -> int:
        """Joblib begins: workers are chosen.

        Raises:
            TypeError: an option that this backend does not have.
        """
        unknown = sorted(set(told) - IGNORED)
        if unknown:
            raise TypeError(
                f"the backend 'centimane' has no option {', '.join(unknown)}; it has idle_worker_timeout and inner_max_num_threads"
            )
        threads = self.inner_max_num_threads
        if threads is not None and threads < 1:
            raise ValueError(f"inner_max_num_threads must be at least 1, not {threads}")
        if idle_worker_timeout is not None:
            self._idle_seconds = seconds("idle_worker_timeout", idle_worker_timeout)
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        environment = self._prepare_worker_env(n_jobs=n_jobs)
        self._let_go()
        self._warm, self._state = _warm_executors.take(n_jobs, environment, self._idle_seconds)
        return n_jobs

    def terminate(self) -> None:
        """Joblib ends: the workers stay for the next call."""
        self._let_go()
        self.reset_batch_stats()

    def _let_go(self) -> None:
        warm, self._warm = self._warm, None
        self._by_value.clear()
        if self._done is not None:
            self._done.end()
            self._done = None
        if warm is not None:
            _warm_executors.give_back(warm)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """A task has failed, or nobody wants the rest: what waits is cancelled, what runs is stopped, and workers stay.

        One that does not stop when it is asked to is killed and replaced. Calls of other threads go on.
        """
        with self._lock:
            given_up = list(self._open)
            self._open.clear()
        for future in given_up:
            future.cancel()

    # ---- batches

    def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Future[Any]:
        """Sends one batch. ``callback`` is called with the future that is returned, once it is done."""
        warm = self._warm
        if warm is None:
            raise RuntimeError("the backend 'centimane' has no workers: its call has ended")
        if type(func) is BatchedCalls:
            calls = [(self._shipped(function), args, kwargs) for function, args, kwargs in func.items]
            future = warm.submit(_joblib_worker.run, calls, func._backend, func._n_jobs, self._state)
        else:
            future = warm.submit(_joblib_worker.call, func, self._state)
        if self._done is None:
            self._done = _Callbacks()
        with self._lock:
            self._open.add(future)
        future.add_done_callback(functools.partial(self._ended, self._done, callback))
        return future

    apply_async = submit
    """Its name before joblib 1.5."""

    def _ended(self, callbacks: _Callbacks, callback: Callable[[Any], None] | None, future: Future[Any]) -> None:
        with self._lock:
            self._open.discard(future)
        if callback is not None:
            callbacks.put(callback, future)

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """The values of a batch that is done. Raises what its task raised."""
        try:
            return out.result()
        except _futures_faults.WorkerDied as error:
            raise _futures_faults._as(WorkerDied, error) from error.__cause__

    def _shipped(self, function: Any) -> Any:
        """A function for workers. One that they cannot import is written once a call."""
        if type(function) is not FunctionType:
            return function
        found = self._by_value.get(function)
        if found is None:
            found = (
                function if _can_be_imported(function) else _joblib_worker.ByValue(_pickling.dump_function(function))
            )
            self._by_value[function] = found
        return found


def _can_be_imported(function: FunctionType) -> bool:
    try:
        return _by_value._has_name(function)
    except _by_value.Beyond:
        return False
