"""``@parallel``: a function that works as before and can also be mapped, with its own defaults."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from . import _options
from ._map import parallel_iter, parallel_map, parallel_starmap

if TYPE_CHECKING:
    from typing import Self, Unpack

    from ._iterator import ParallelIterator
    from ._options import Defaults, MapOptions, StreamOptions
    from ._result import ParallelResult

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def stands_in_its_module(decorated: Any) -> bool:
    """Would another process find this object under its name?"""
    found: Any = sys.modules.get(decorated.__module__) if decorated.__module__ != "__main__" else None
    qualname: str = decorated.__qualname__
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found is decorated


class _Mapped(Generic[R]):
    """The three forms, over some callable and its defaults."""

    _defaults: Defaults

    def _function(self, options: dict[str, Any]) -> Callable[..., R]:
        raise NotImplementedError

    def map(self, items: Iterable[Any], **options: Unpack[MapOptions]) -> ParallelResult[R]:
        """``parallel_map`` of this function over the items. An option that is named here takes the place of the decorator's, even None."""
        how = _options.merged(self._defaults, options, parallel_map)
        return parallel_map(self._function(how), items, **how)

    def starmap(self, items: Iterable[Iterable[Any]], **options: Unpack[MapOptions]) -> ParallelResult[R]:
        """``parallel_starmap``: each item is unpacked into the function's arguments."""
        how = _options.merged(self._defaults, options, parallel_starmap)
        return parallel_starmap(self._function(how), items, **how)

    def stream(self, items: Iterable[Any], **options: Unpack[StreamOptions]) -> ParallelIterator[R]:
        """``parallel_iter``: outcomes as they come. The decorator's ``timeout`` and ``on_result`` are about maps and not used here."""
        how = _options.merged(self._defaults, options, parallel_iter, without=("timeout", "on_result"))
        return parallel_iter(self._function(how), items, **how)


class ParallelFunction(_Mapped[R], Generic[P, R]):
    """What ``@parallel`` makes: called, it is the function; ``map``, ``starmap`` and ``stream`` run it in parallel.

    Thread safety: any thread, as the function. Cost: a Python call.
    """

    __qualname__: str

    def __init__(self, function: Callable[P, R], defaults: Defaults) -> None:
        self._defaults = defaults
        functools.update_wrapper(self, function)
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__wrapped__(*args, **kwargs)

    @property
    def centimane_wrapped(self) -> Callable[P, R]:
        """The function itself: what workers call."""
        return self.__wrapped__

    def _function(self, options: dict[str, Any]) -> Callable[..., R]:
        # Workers that can import it are sent its name, and that is ours.
        by_name = options.get("executor") == "process" and stands_in_its_module(self)
        return self if by_name else self.__wrapped__

    # Type checkers come by here for static methods too, so what an object answers may be either: its arguments are not known.
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> ParallelMethod[R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Self | ParallelMethod[R]:
        return self if instance is None else ParallelMethod(self, instance)

    def __reduce__(self) -> str | tuple[Any, ...]:
        if stands_in_its_module(self):
            return self.__qualname__
        return ParallelFunction, (self.__wrapped__, self._defaults)

    def __repr__(self) -> str:
        return f"<parallel {self.__wrapped__!r}>"


class UnaryParallelFunction(ParallelFunction[Concatenate[T, P], R], Generic[T, P, R]):
    """The same as type checkers see it: the first parameter's type is that of the items."""

    def map(self, items: Iterable[T], **options: Unpack[MapOptions]) -> ParallelResult[R]:
        """``parallel_map`` of this function over the items."""
        return super().map(items, **options)

    def stream(self, items: Iterable[T], **options: Unpack[StreamOptions]) -> ParallelIterator[R]:
        """``parallel_iter`` of this function over the items."""
        return super().stream(items, **options)


class ParallelMethod(_Mapped[R]):
    """A decorated method of one object."""

    def __init__(self, of: ParallelFunction[..., R], instance: object) -> None:
        self._defaults = of._defaults  # pyright: ignore[reportPrivateUsage]
        self._bound: Callable[..., R] = functools.partial(of.__wrapped__, instance)
        self.__self__ = instance
        self.__wrapped__ = of.__wrapped__

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        return self._bound(*args, **kwargs)

    def _function(self, options: dict[str, Any]) -> Callable[..., R]:
        if options.get("checkpoint") is not None and options.get("checkpoint_version") is None:
            from ._fingerprint import identity

            identity(types.MethodType(self.__wrapped__, self.__self__), None)  # says why it cannot be
        return self._bound

    def __repr__(self) -> str:
        return f"<parallel method {self.__wrapped__!r} of {self.__self__!r}>"


@overload
def parallel(function: Callable[Concatenate[T, P], R], /) -> UnaryParallelFunction[T, P, R]: ...
@overload
def parallel(function: Callable[P, R], /) -> ParallelFunction[P, R]: ...
@overload
def parallel(**defaults: Unpack[Defaults]) -> _Decorator: ...
def parallel(
    function: Callable[..., Any] | None = None, /, **defaults: Unpack[Defaults]
) -> ParallelFunction[..., Any] | _Decorator:
    """Gives a function ``.map(items)``, ``.starmap(items)`` and ``.stream(items)``; called, it works as before.

    ::

        @parallel(workers=8, retry=Retry(attempts=3, on=(ConnectionError,)))
        def fetch(url): ...

        fetch(url)           # a plain call
        fetch.map(urls)      # a ParallelResult

    The options are the defaults of its runs: those of ``parallel_map`` but ``stop``, which is about one run. Works on functions,
    methods and (under ``@staticmethod``) static methods.

    Raises:
        TypeError: an option that is none, or something that cannot be called.
    """
    _options.refuse_unknown("@parallel", defaults, parallel_map, without=("stop",))
    decorate = _Decorator(defaults)
    if function is None:
        return decorate
    made: ParallelFunction[..., Any] = decorate(function)
    return made


class _Decorator:
    """``@parallel(…)``, waiting for its function."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults

    @overload
    def __call__(self, function: Callable[Concatenate[T, P], R]) -> UnaryParallelFunction[T, P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> ParallelFunction[P, R]: ...
    def __call__(self, function: Callable[..., Any]) -> ParallelFunction[..., Any]:
        if isinstance(function, staticmethod):
            function = function.__func__
        if not callable(function):  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError(f"@parallel needs a function, not {type(function).__name__}")
        return ParallelFunction(function, self._defaults)
