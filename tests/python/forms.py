"""Every form of a run behind one call, so that what an option does can be said once and be looked at in each of them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from loops import run

import centimane
from centimane import Insights, ItemResult


@dataclass
class Outcome:
    """What came of a run: its items' outcomes as they came, and what a stream raised in the end."""

    results: list[ItemResult[Any]] = field(default_factory=list)
    raised: Exception | None = None
    insights: Insights | None = None

    @property
    def by_index(self) -> list[ItemResult[Any]]:
        """In the order of the input."""
        return sorted(self.results, key=lambda result: result.index)

    @property
    def values(self) -> list[Any]:
        """In the order of the input; raises what an item raised."""
        return [result.value for result in self.by_index]

    @property
    def errors(self) -> list[BaseException | None]:
        """In the order of the input."""
        return [None if result.ok else result.error for result in self.by_index]


@dataclass(frozen=True)
class Form:
    """One public way to a run.

    Attributes:
        name: its name in a report.
        target: the public function whose parameters it takes.
        begin: what calls it; answers an Outcome, or an awaitable of one.
        star: does it unpack items?
    """

    name: str
    target: Callable[..., Any]
    begin: Callable[..., Any]
    star: bool = False

    @property
    def on_loop(self) -> bool:
        return "async" in self.name

    @property
    def stream(self) -> bool:
        return "iter" in self.name

    def awaitable(self, fn: Callable[..., Any], items: Any, **options: Any) -> Any:
        """Begins it, on a running loop if it needs one."""
        if self.star:
            if isinstance(items, list):
                items = [(i,) for i in items]
            elif isinstance(items, Iterable):
                items = ((i,) for i in items)
            for name in ("item_key", "checkpoint_key"):
                if callable(options.get(name)):
                    options[name] = _unpacking(options[name])
        if self.on_loop and options.get("executor") in (None, "async") and callable(fn):
            fn = fn if inspect.iscoroutinefunction(fn) else _awaited(fn)
        return self.begin(fn, items, **options)

    def __call__(self, fn: Callable[..., Any], items: Any, **options: Any) -> Outcome:
        """A run from its begin to its end. Raises what the call raises."""
        if not self.on_loop:
            outcome: Outcome = self.awaitable(fn, items, **options)
            return outcome

        async def main() -> Any:
            return await self.awaitable(fn, items, **options)

        return run(main)  # type: ignore[no-any-return]


def _awaited(fn: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any) -> Any:
        return fn(*args)

    return call


def _unpacking(key: Callable[[Any], Any]) -> Callable[[Iterable[Any]], Any]:
    return lambda item: key(*item)


def _map(fn: Any, items: Any, **options: Any) -> Outcome:
    result = centimane.parallel_map(fn, items, **options)
    return Outcome(result.item_results(), insights=result.insights)


def _starmap(fn: Any, items: Any, **options: Any) -> Outcome:
    result = centimane.parallel_starmap(fn, items, **options)
    return Outcome(result.item_results(), insights=result.insights)


def _iter(fn: Any, items: Any, **options: Any) -> Outcome:
    stream = centimane.parallel_iter(fn, items, **options)
    outcome = Outcome()
    try:
        for result in stream:
            outcome.results.append(result)
    except Exception as error:
        outcome.raised = error.with_traceback(None)  # whose frames hold the run
    outcome.insights = stream.insights
    return outcome


def _decorated(fn: Any, items: Any, *, stop: Any = None, **options: Any) -> Outcome:
    decorate: Any = centimane.parallel(**options)
    result = decorate(fn).map(items, stop=stop)
    return Outcome(result.item_results(), insights=result.insights)


async def _async_map(fn: Any, items: Any, **options: Any) -> Outcome:
    result = await centimane.async_parallel_map(fn, items, **options)
    return Outcome(result.item_results(), insights=result.insights)


async def _async_starmap(fn: Any, items: Any, **options: Any) -> Outcome:
    result = await centimane.async_parallel_starmap(fn, items, **options)
    return Outcome(result.item_results(), insights=result.insights)


async def _async_iter(fn: Any, items: Any, **options: Any) -> Outcome:
    stream = centimane.async_parallel_iter(fn, items, **options)
    outcome = Outcome()
    try:
        async for result in stream:
            outcome.results.append(result)
    except Exception as error:
        outcome.raised = error.with_traceback(None)  # whose frames hold the run
    outcome.insights = stream.insights
    return outcome


async def _async_decorated(fn: Any, items: Any, *, stop: Any = None, **options: Any) -> Outcome:
    decorate: Any = centimane.async_parallel(**options)
    result = await decorate(fn).map(items, stop=stop)
    return Outcome(result.item_results(), insights=result.insights)


FORMS = (
    Form("parallel_map", centimane.parallel_map, _map),
    Form("parallel_starmap", centimane.parallel_starmap, _starmap, star=True),
    Form("parallel_iter", centimane.parallel_iter, _iter),
    Form("@parallel", centimane.parallel_map, _decorated),
    Form("async_parallel_map", centimane.async_parallel_map, _async_map),
    Form("async_parallel_starmap", centimane.async_parallel_starmap, _async_starmap, star=True),
    Form("async_parallel_iter", centimane.async_parallel_iter, _async_iter),
    Form("@async_parallel", centimane.async_parallel_map, _async_decorated),
)
