"""``@async_parallel``: a function that is awaited as before and can also be mapped on the event loop, with its own defaults."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from . import _options
from ._async import async_parallel_iter, async_parallel_map, async_parallel_starmap
from ._decorate import stands_in_its_module

if TYPE_CHECKING:
    from typing import Literal, Self, Unpack

    from ._async_iterator import AsyncParallelIterator
    from ._options import AsyncDefaults, AsyncMapOptions, AsyncStreamOptions
    from ._result import ParallelResult

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class _Mapped(Generic[R]):
    """The three forms, over some callable and its defaults."""

    _defaults: dict[str, Any]

    def _function(self, options: dict[str, Any]) -> Callable[..., Any]:
        raise NotImplementedError

    async def map(
        self, items: Iterable[Any] | AsyncIterable[Any], **options: Unpack[AsyncMapOptions]
    ) -> ParallelResult[R]:
        """``async_parallel_map`` of this function. An option that is named here takes the place of the decorator's, even None."""
        how = _options.merged(self._defaults, options, async_parallel_map)
        return await async_parallel_map(self._function(how), items, **how)

    async def starmap(
        self, items: Iterable[Iterable[Any]] | AsyncIterable[Iterable[Any]], **options: Unpack[AsyncMapOptions]
    ) -> ParallelResult[R]:
        """``async_parallel_starmap``: each item is unpacked into the function's arguments."""
        how = _options.merged(self._defaults, options, async_parallel_starmap)
        return await async_parallel_starmap(self._function(how), items, **how)

    def stream(
        self, items: Iterable[Any] | AsyncIterable[Any], **options: Unpack[AsyncStreamOptions]
    ) -> AsyncParallelIterator[R]:
        """``async_parallel_iter``: outcomes as they come. The decorator's ``timeout`` and ``on_result`` are about maps and not used here."""
        how = _options.merged(self._defaults, options, async_parallel_iter, without=("timeout", "on_result"))
        return async_parallel_iter(self._function(how), items, **how)


class AsyncParallelFunction(_Mapped[R], Generic[P, R]):
    """What ``@async_parallel`` makes: called, it is the function; ``map``, ``starmap`` and ``stream`` run it on the loop.

    Thread safety: any thread, as the function. Cost: a Python call.
    """

    __qualname__: str

    def __init__(self, function: Callable[P, Awaitable[R]], defaults: Any) -> None:
        self._defaults = defaults
        functools.update_wrapper(self, function)
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.__wrapped__(*args, **kwargs)

    @property
    def centimane_wrapped(self) -> Callable[P, Awaitable[R]]:
        """The function itself: what workers call."""
        return self.__wrapped__

    def _function(self, options: dict[str, Any]) -> Callable[..., Any]:
        # Workers that can import it are sent its name, and that is ours.
        by_name = options.get("executor") == "process" and stands_in_its_module(self)
        return self if by_name else self.__wrapped__

    # Type checkers come by here for static methods too, so what an object answers may be either: its arguments are not known.
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> AsyncParallelMethod[R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Self | AsyncParallelMethod[R]:
        return self if instance is None else AsyncParallelMethod(self, instance)

    def __reduce__(self) -> str | tuple[Any, ...]:
        if stands_in_its_module(self):
            return self.__qualname__
        return type(self), (self.__wrapped__, self._defaults)

    def __repr__(self) -> str:
        return f"<async parallel {self.__wrapped__!r}>"


class UnaryAsyncParallelFunction(AsyncParallelFunction[Concatenate[T, P], R], Generic[T, P, R]):
    """The same as type checkers see it: the first parameter's type is that of the items."""

    async def map(self, items: Iterable[T] | AsyncIterable[T], **options: Unpack[AsyncMapOptions]) -> ParallelResult[R]:
        """``async_parallel_map`` of this function over the items."""
        return await super().map(items, **options)

    def stream(
        self, items: Iterable[T] | AsyncIterable[T], **options: Unpack[AsyncStreamOptions]
    ) -> AsyncParallelIterator[R]:
        """``async_parallel_iter`` of this function over the items."""
        return super().stream(items, **options)


class OffloadedFunction(AsyncParallelFunction[P, R]):
    """The same for a plain function, which runs on threads or worker processes; called, it is that function."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            ...


class AsyncParallelMethod(_Mapped[R]):
    """A decorated method of one object."""

    def __init__(self, of: AsyncParallelFunction[..., R], instance: object) -> None:
        self._defaults = of._defaults  # pyright: ignore[reportPrivateUsage]
        self._bound: Callable[..., Awaitable[R]] = functools.partial(of.__wrapped__, instance)
        self.__self__ = instance
        self.__wrapped__ = of.__wrapped__

    def __call__(self, *args: Any, **kwargs: Any) -> Awaitable[R]:
        return self._bound(*args, **kwargs)

    def _function(self, options: dict[str, Any]) -> Callable[..., Any]:
        return self._bound

    def __repr__(self) -> str:
        return f"<async parallel method {self.__wrapped__!r} of {self.__self__!r}>"


@overload
def async_parallel(function: Callable[Concatenate[T, P], Awaitable[R]], /) -> UnaryAsyncParallelFunction[T, P, R]: ...
@overload
def async_parallel(function: Callable[P, Awaitable[R]], /) -> AsyncParallelFunction[P, R]: ...
@overload
def async_parallel(*, executor: Literal["async"] | None = None, **defaults: Unpack[AsyncDefaults]) -> _Decorator: ...
@overload
def async_parallel(
    *, executor: Literal["thread", "process"], **defaults: Unpack[AsyncDefaults]
) -> _OffloadingDecorator: ...
def async_parallel(
    function: Callable[..., Any] | None = None, /, **defaults: Any
) -> AsyncParallelFunction[..., Any] | _Decorator | _OffloadingDecorator:
    """Gives a coroutine function ``.map(items)``, ``.starmap(items)`` and ``.stream(items)``; called, it works as before.

    ::

        @async_parallel(concurrency=20, retry=Retry.for_http(on=(httpx.HTTPStatusError,)))
        async def fetch(url): ...

        await fetch(url)           # a plain call
        await fetch.map(urls)      # a ParallelResult

    The options are the defaults of its runs: those of ``async_parallel_map`` but ``stop``, which is about one run. Works on functions,
    methods and (under ``@staticmethod``) static methods. With ``executor="process"`` or ``"thread"`` it takes a plain function.

    Raises:
        TypeError: an option that is none, or something that cannot be called.
    """
    _options.refuse_unknown("@async_parallel", defaults, async_parallel_map, without=("stop",))
    offloads = defaults.get("executor") in ("thread", "process")
    decorate: Any = (_OffloadingDecorator if offloads else _Decorator)(defaults)
    if function is None:
        return decorate  # type: ignore[no-any-return]
    made: AsyncParallelFunction[..., Any] = decorate(function)
    return made


class _Decorator:
    """``@async_parallel(…)``, waiting for its function."""

    def __init__(self, defaults: Any) -> None:
        self._defaults = defaults

    @overload
    def __call__(self, function: Callable[Concatenate[T, P], Awaitable[R]]) -> UnaryAsyncParallelFunction[T, P, R]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[R]]) -> AsyncParallelFunction[P, R]: ...
    def __call__(self, function: Callable[..., Any]) -> AsyncParallelFunction[..., Any]:
        return AsyncParallelFunction(_plain(function), self._defaults)


class _OffloadingDecorator:
    """``@async_parallel(executor="process", …)``, waiting for a plain function."""

    def __init__(self, defaults: Any) -> None:
        self._defaults = defaults

    def __call__(self, function: Callable[P, R]) -> OffloadedFunction[P, R]:
        made: Any = OffloadedFunction(_plain(function), self._defaults)
        return made  # type: ignore[no-any-return]


def _plain(function: Any) -> Any:
    if isinstance(function, staticmethod):
        function = function.__func__
    if not callable(function):
        raise TypeError(f"@async_parallel needs a function, not {type(function).__name__}")
    return function
