"""Carries one run on an event loop: gives the engine its turns, and sleeps for it.

The engine decides, as in every run; here its attempts become tasks, its naps the loop's timers, and news from other threads a
descriptor that the loop watches. Uses nothing of the loop but its public interface.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from functools import partial

from . import _run
from ._insights import NOTHING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from typing import Any

    from . import _core
    from ._plan import Plan
    from ._progress import Bar
    from ._result import ItemResult

# What Run.turn answers beside seconds.
_WAITS, _ENDED = -1.0, -2.0
# How an attempt's task came to its end: see Run.attempt_ended.
_VALUE, _ERROR, _OVERTIME, _CANCELLED = range(4)


def _stack(coroutine: Any) -> str:
    """Where a suspended coroutine is, through all that it awaits."""
    import traceback

    frames: list[Any] = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            frames.append((frame, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return "".join(traceback.StackSummary.extract(frames[1:] or frames).format())  # without our own


class Carrier:
    """One run and the loop it belongs to. Made, used and left within one task, or one async generator."""

    def __init__(self, plan: Plan, source: AsyncIterator[Any] | None, *, stoppable: bool, kill: bool) -> None:
        self.plan = plan
        self._source = source
        self._stoppable = stoppable
        self._kill = kill
        self._loop: asyncio.AbstractEventLoop
        self._context: contextvars.Context
        self._run: _core.Run | None = None
        self._insights: tuple[Any, ...] = NOTHING
        self._bar: Bar | None = None
        self._bell = -1
        self._due = self._closed = self._ended = False
        self._error: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        # Attempts.
        self._live: dict[asyncio.Task[Any], asyncio.TimerHandle | None] = {}
        self._overdue: dict[asyncio.Task[Any], str] = {}
        self._cut_off = False
        # Callbacks that are coroutine functions: they are awaited one after the other, and the run waits for them.
        self._notes: deque[Awaitable[object]] = deque()
        self._teller: asyncio.Task[None] | None = None
        # An async source: how many items the engine has asked for, and what has come.
        self._asked = 0
        self._open = self._pulling = self._over = False
        self._came: list[Any] = []
        self._source_error: Exception | None = None
        self._puller: asyncio.Task[None] | None = None
        self._demand: asyncio.Future[None] | None = None

    # ---- a run from its begin to its end

    async def finish(self) -> _core.Run:
        """A map: to its end. Raises what ended it, if that is an error."""
        try:
            run = self._begin()
            while not self._ended:
                self._raise_error()
                await self._news()
            self._raise_error()
            return run
        finally:
            await self._leave()

    async def outcomes(self) -> AsyncGenerator[ItemResult[Any], None]:
        """A stream: outcomes as they come."""
        try:
            run = self._begin()
            while True:
                item = run.take()
                if item is not None:
                    self._ring()  # there is room in the window
                    yield item
                    continue
                self._raise_error()
                if self._ended:
                    return
                await self._news()
        finally:
            await self._leave()

    def insights(self) -> tuple[Any, ...]:
        """What ``insights_of`` reads: of the run as it is, or as it was at its end."""
        return self._insights if self._run is None else self._run.insights()

    def _begin(self) -> _core.Run:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        plan = self.plan
        for name in ("on_result", "on_progress"):
            callback = getattr(plan, name)
            if callback is not None:
                setattr(plan, name, partial(self._call_back, callback))
        self._bar = _run.bar_of(plan)
        run = self._run = _run.begin(plan, self._bar, self)
        if self._stoppable or plan.executor != "async":
            self._bell = run.bell()
            self._loop.add_reader(self._bell, self._heard, run)
        self._ring()
        return run

    async def _leave(self) -> None:
        """Ends what is left, and waits for what runs on the loop; a cancellation that comes meanwhile is passed on afterwards."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._bell >= 0:
            self._loop.remove_reader(self._bell)
        helpers: list[asyncio.Task[Any] | None] = [self._puller, self._teller]
        left = {task for task in (*self._live, *helpers) if task is not None and not task.done()}
        for task in left:
            task.cancel()
        if self._run is not None:
            self._run.leave_loop(self._kill and not self._ended)
            if self.plan.stream:
                self._insights = self._run.insights()
        self.plan.let_go()
        if self._bar is not None:
            self._bar.close()
        for note in self._notes:
            close = getattr(note, "close", None)
            if close is not None:
                close()
        again: asyncio.CancelledError | None = None
        while left:
            try:
                _, left = await asyncio.wait(left)
            except asyncio.CancelledError as error:
                again = error
        for helper in helpers:
            if helper is not None and helper.done() and not helper.cancelled():
                helper.exception()  # it has been told already, or comes too late to be
        self._run = None  # it holds on to us
        if again is not None:
            raise again

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._wake()

    # ---- turns

    def _ring(self) -> None:
        """The engine has something to hear or to do."""
        if not self._due and not self._closed:
            self._due = True
            self._loop.call_soon(self._step, context=self._context)

    def _heard(self, run: _core.Run) -> None:
        run.hush()  # or the loop calls again and again, should this not be the time for a turn
        self._step()

    def _step(self) -> None:
        self._due = False
        run = self._run
        if self._closed or self._teller is not None or run is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            if self._came or self._over:
                self._answer(run)
            wait = run.turn()
        except BaseException as error:
            self._fail(error)
            return
        if self._notes:
            self._teller = self._loop.create_task(self._tell(), context=self._context.copy())
            self._teller.add_done_callback(self._told)
        elif wait == _ENDED:
            self._ended = True
        elif wait == 0:
            self._ring()
        elif wait != _WAITS:
            self._timer = self._loop.call_later(wait, self._ring, context=self._context)
        if self._ended or self.plan.stream:
            self._wake()

    # ---- attempts

    def place(self, run: _core.Run) -> None:
        """The run's attempts are to be tasks of this loop."""
        limit = self.plan.task_timeout
        run.on_loop(
            slots=self.plan.workers,
            task_timeout=-1.0 if limit is None else limit,
            spawn=self._spawn,
            cancel=self._cancel,
        )

    def _spawn(self, item: Any, index: int, _attempt: int) -> None:
        task = self._loop.create_task(self._call(item), context=self._context.copy())
        limit = self.plan.task_timeout
        self._live[task] = None if limit is None else self._loop.call_later(limit, self._late, task)
        task.add_done_callback(partial(self._over_with, index))

    async def _call(self, item: Any) -> Any:
        plan = self.plan
        made = plan.function(*item) if plan.star else plan.function(item)
        if not hasattr(made, "__await__"):
            error = TypeError(
                f"the function returned {type(made).__name__}, which cannot be awaited: "
                "give executor='thread' or executor='process' to a plain function"
            )
            self._fail(error)
            raise error
        return await made

    def _late(self, task: asyncio.Task[Any]) -> None:
        if not task.done():
            self._overdue[task] = _stack(task.get_coro())
            task.cancel()

    def _cancel(self) -> None:
        """The engine cuts off what runs."""
        self._cut_off = True
        for task in self._live:
            task.cancel()

    def _over_with(self, index: int, task: asyncio.Task[Any]) -> None:
        clock = self._live.pop(task, None)
        if clock is not None:
            clock.cancel()
        stack = self._overdue.pop(task, None)
        what: object = None
        if task.cancelled():
            how = _CANCELLED
            if not self._cut_off:
                from ._errors import Cancelled

                how, what = _ERROR, Cancelled(f"item {index}: its task was cancelled from outside the run")
        else:
            what = task.exception()
            how = _ERROR
            if what is None:
                how, what = _VALUE, task.result()
        if stack is not None:  # what comes after the limit comes too late
            how, what = _OVERTIME, stack
        if not self._closed and self._run is not None:
            self._run.attempt_ended(index, how, what)
            self._ring()

    # ---- callbacks

    def _call_back(self, callback: Callable[..., Any], *arguments: Any) -> None:
        made = callback(*arguments)
        if hasattr(made, "__await__"):
            self._notes.append(made)

    async def _tell(self) -> None:
        while self._notes:
            await self._notes.popleft()

    def _told(self, teller: asyncio.Task[None]) -> None:
        self._teller = None
        if self._closed:
            return
        if teller.cancelled():
            self._fail(asyncio.CancelledError("a callback of the run was cancelled"))
        elif (error := teller.exception()) is not None:
            self._fail(error)
        else:
            self._ring()

    # ---- an async source

    def ask(self, n: int) -> None:
        """The engine wants up to n further items. What it gets, it gets at a turn; then it may ask again."""
        self._open = True
        self._asked = n - self._pulling
        if self._came or self._over:
            self._ring()
        elif self._puller is None:
            self._puller = self._loop.create_task(self._pull(), context=self._context.copy())
        elif self._demand is not None and not self._demand.done():
            self._demand.set_result(None)

    def _answer(self, run: _core.Run) -> None:
        if not self._open and not (self._over and not self._came):
            return  # what came beyond the last answer waits for the next question
        came, self._came = self._came, []
        self._open = False
        over, self._over = self._over, False
        run.arrived(came, over, self._source_error)

    async def _pull(self) -> None:
        source = self._source
        assert source is not None
        while True:
            while self._asked <= 0:
                self._demand = self._loop.create_future()
                await self._demand
            self._asked -= 1
            self._pulling = True
            try:
                item = await source.__anext__()
                self._came.append(item)
            except StopAsyncIteration:
                self._over = True
            except asyncio.CancelledError as error:
                if not self._closed:
                    self._fail(error)
                raise
            except Exception as error:
                self._source_error = error
                self._over = True
            finally:
                self._pulling = False
            self._ring()
            if self._over:
                return
