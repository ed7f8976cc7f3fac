"""``centimane.futures.ProcessPoolExecutor``."""

from __future__ import annotations

import concurrent.futures
import functools
import signal
import threading

from . import _check, _core, _executor_ends, _nesting
from . import futures as _futures  # pyright: ignore[reportUnusedImport]  # tells the engine of Future
from ._executor_map import chunks, executor_map, flattened, run_chunk
from ._worker_view import WorkerView, views

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.context import BaseContext
    from typing import Any, Literal, ParamSpec, TypeVar

    from ._process_tasks import Teller

    P = ParamSpec("P")
    T = TypeVar("T")

_TERMINATE_GRACE = 1.0


class ProcessPoolExecutor(_core.ProcessSubmitter, concurrent.futures.Executor):
    """Runs tasks on worker processes: ``concurrent.futures.ProcessPoolExecutor``, except that a dead worker costs one task.

    Functions need not be importable: lambdas, closures and what lives in ``__main__`` travel by value, without a guard.

    Args:
        max_workers: worker processes; the processors that this process may use by default.
        mp_context: a context of multiprocessing. With "fork" workers are copies of this process as it was at the first
            submit; with any other, and by default, they come from a clean process.
        initializer: called once in each worker, before its first task. If it keeps raising, the executor is broken.
        initargs: its arguments.
        max_tasks_per_child: a worker is replaced after so many tasks; its successor is up before it goes.
        on_worker_death: "fail-task": the task that a dead worker was running fails, every other goes on. "break": all
            that is open fails, and nothing more is taken, as in the standard library.

    Raises:
        ValueError: ``max_workers``, ``max_tasks_per_child`` or ``on_worker_death`` is out of range.
        TypeError: ``initializer`` is not callable, ``max_tasks_per_child`` no int.

    Thread safety: any thread may submit. Cost: a worker starts in about a millisecond, with the first task; a task costs
    one or two microseconds while there are many, some tens if its worker sleeps.
    """

    _idle_seconds: float | None = None
    """A worker without work leaves after that; None: it stays."""

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        on_worker_death: Literal["fail-task", "break"] = "fail-task",
    ) -> None:
        if max_workers is None:
            max_workers = _nesting.default_workers()
        self._max_workers = _executor_ends.checked_workers(max_workers)
        if self._max_workers > 4096:
            raise ValueError(f"max_workers must be at most 4096, not {max_workers}")
        if initializer is not None and not callable(initializer):  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError("initializer must be a callable")
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        if on_worker_death not in ("fail-task", "break"):
            raise ValueError(f"on_worker_death must be 'fail-task' or 'break', not {on_worker_death!r}")
        if mp_context is not None and not hasattr(mp_context, "get_start_method"):
            raise TypeError(f"mp_context must be a context of multiprocessing, not {type(mp_context).__name__}")
        fork = mp_context is not None and mp_context.get_start_method(allow_none=False) == "fork"
        if fork and max_tasks_per_child is not None:
            raise ValueError("max_tasks_per_child is incompatible with the 'fork' multiprocessing start method")
        self._context = mp_context
        self._fork = fork
        self._initializer = (
            None if initializer is None else functools.partial(initializer, *_check.several("initargs", initargs))
        )
        self._max_tasks = max_tasks_per_child
        self._break = on_worker_death == "break"
        self._lock = threading.Lock()
        self._pool: _core.Pool | None = None
        self._tasks: _core.ProcessTasks | None = None
        self._settler: threading.Thread | None = None
        self._teller: Teller | None = None
        self._shut = False

    def _begin(self) -> None:
        with self._lock:
            if self._tasks is not None:
                return
            _executor_ends.check_open(self._shut)
            from . import _processes
            from ._process_tasks import Teller, process_tasks

            pool = _processes.own_pool(
                self._max_workers, self._initializer, self._max_tasks, fork=self._fork, idle_after=self._idle_seconds
            )
            tasks = process_tasks(pool, "centimane._futures_faults", forked=self._fork, break_on_death=self._break)
            teller = Teller(tasks)
            settler = threading.Thread(target=_settle, args=(teller,), name="centimane-settler", daemon=True)
            _executor_ends.start(settler, tasks)
            self._pool, self._tasks, self._settler, self._teller = pool, tasks, settler, teller
            tasks.attach_to(self)

    def with_options(self, *, timeout: float | None = None, stop_running: bool = False) -> TaskOptions:
        """The executor with options for the tasks submitted through the answer: ``executor.with_options(timeout=2).submit(f, x)``.

        Args:
            timeout: seconds that a task may run, from when it begins. Then its future has a ``TaskTimeout`` with the stack at
                which it hung; its worker is asked to stop and, if it does not, killed and replaced.
            stop_running: ``future.cancel()`` also stops a task that runs. Such a task costs a few microseconds more.

        Raises:
            ValueError: ``timeout`` is not more than 0.
            TypeError: ``timeout`` is no number, ``stop_running`` neither True nor False.
        """
        return TaskOptions(
            self,
            None if timeout is None else _check.seconds("timeout", timeout),
            _check.flag("stop_running", stop_running),
        )

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """The results of ``fn`` over the iterables, in order. All is submitted at once.

        Args:
            fn: the function.
            iterables: its arguments, as for the builtin ``map``.
            timeout: seconds from now until the last result must be there.
            chunksize: calls that are one task. Tasks are cheap here: 1 is mostly right.
            buffersize: submit no more than so many tasks ahead of the results taken.

        Raises:
            ValueError: ``chunksize`` or ``buffersize`` is less than 1.
            TimeoutError: from the iterator, a result was not there in time.
            Exception: from the iterator, what ``fn`` raised.
        """
        return _mapped(self, fn, iterables, timeout, chunksize, buffersize)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more tasks; those it has go on, whether this waits or not.

        Args:
            wait: return only when all tasks have ended, what they printed and logged is out, and all workers have gone.
            cancel_futures: cancel all tasks that have not begun.
        """
        with self._lock:
            self._shut = True
            tasks = self._tasks
            self._pool = None  # who keeps the executor keeps no descriptors
        if tasks is None or self._settler is None:
            return
        tasks.end(_executor_ends.AFTER_SHUTDOWN)
        if cancel_futures:
            tasks.cancel_waiting()
        if wait:
            if self._settler is not threading.current_thread():
                self._settler.join()
            if self._teller is not None:
                self._teller.join()

    def terminate_workers(self) -> None:
        """Sends SIGTERM to all workers, kills what is left after a second. What has not begun is cancelled, what ran fails."""
        self._end_workers(signal.SIGTERM, _TERMINATE_GRACE)

    def kill_workers(self) -> None:
        """Kills all workers. What has not begun is cancelled, what ran fails."""
        self._end_workers(None, 0.0)

    def _end_workers(self, number: signal.Signals | None, grace: float) -> None:
        pool = self._pool
        self.shutdown(wait=False, cancel_futures=True)
        if self._tasks is None or pool is None:
            return
        if number is not None:
            pool.signal(number, busy_only=False)
        self._tasks.kill(grace)

    # ---- what programs read though it is private

    @property
    def _processes(self) -> dict[int, WorkerView]:
        """The workers, by process id."""
        return {view.pid: view for view in views(lambda: self._pool, 0)}

    @property
    def _mp_context(self) -> BaseContext:
        import multiprocessing

        return self._context or multiprocessing.get_context("spawn")  # what comes nearest to a clean process

    @property
    def _broken(self) -> str | bool:
        return (self._tasks is not None and self._tasks.broken) or False

    @property
    def _executor_manager_thread(self) -> threading.Thread | None:
        return self._settler


class TaskOptions(concurrent.futures.Executor):
    """An executor with options; what ``ProcessPoolExecutor.with_options`` answers.

    It refers to its executor: ``loop.run_in_executor`` takes it in its place, and its ``shutdown`` is that executor's.
    """

    def __init__(self, executor: ProcessPoolExecutor, timeout: float | None, stop_running: bool) -> None:
        self._executor = executor
        self._timeout = timeout
        self._stop_running = stop_running

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> _futures.Future[T]:
        """``executor.submit`` with these options: all keywords are the task's own."""
        return self._executor._submit_with(self._timeout, self._stop_running, fn, *args, **kwargs)  # pyright: ignore[reportPrivateUsage]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the executor that it refers to."""
        self._executor.shutdown(wait, cancel_futures=cancel_futures)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """``executor.map`` with these options, for each task. ``timeout`` here is the whole map's."""
        return _mapped(self, fn, iterables, timeout, chunksize, buffersize)


def _mapped(
    executor: concurrent.futures.Executor,
    fn: Callable[..., T],
    iterables: tuple[Iterable[Any], ...],
    timeout: float | None,
    chunksize: int,
    buffersize: int | None,
) -> Iterator[T]:
    if _check.whole("chunksize", chunksize, least=None) < 1:
        raise ValueError("chunksize must be >= 1.")
    if chunksize == 1:
        return executor_map(executor, fn, iterables, timeout, buffersize)
    one = functools.partial(run_chunk, fn)
    return flattened(executor_map(executor, one, (chunks(iterables, chunksize),), timeout, buffersize))


def _settle(teller: Teller) -> None:
    try:
        teller.settle()
    finally:
        _executor_ends.left()
