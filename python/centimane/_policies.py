"""What a run is asked beside its work: how often attempts may start (``RateLimit``) and what is tried again (``Retry``).

Both are small immutable values: make them once, use them anywhere, pickle them.
"""

from __future__ import annotations

import math

from . import _check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, NoReturn

    Per = Literal["second", "minute", "hour"]

_SECONDS: dict[str, float] = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


class FrozenValue:
    """Equal by its fields, immutable, shown as it is written."""

    __slots__ = ()

    def _fields(self) -> dict[str, Any]:
        names: tuple[str, ...] = type(self).__slots__
        return {name: getattr(self, name) for name in names}

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *self._fields().values()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed: make a new one with another {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self._fields())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._fields().items())})"


def _revive(kind: type[FrozenValue], fields: dict[str, Any]) -> FrozenValue:
    return kind(**fields)


def _number(what: str, value: object, *, above: bool = False) -> float:
    """Finite and at least 0, or above it."""
    number = _check.number(what, value)
    if not math.isfinite(number) or number < 0 or (above and number == 0):
        raise ValueError(f"{what} must be {'more than' if above else 'at least'} 0 and finite, not {value!r}")
    return number


class RateLimit(FrozenValue):
    """How many attempts may start in a span of time.

    Args:
        count: how many, more than 0; fractions are fine.
        per: "second", "minute" or "hour".
        burst: how many may start at once after a pause; by default 1: evenly spaced.

    In any half-open span of ``per`` at most ``count + burst - 1`` attempts start. A token is spent when an attempt starts, not when
    it is queued, and every attempt takes one, retries on worker processes too.

    Raises:
        TypeError, ValueError: a bad argument.
    """

    __slots__ = ("burst", "count", "per")

    count: float
    per: Per
    burst: int

    def __init__(self, count: float, per: Per = "second", burst: int = 1) -> None:
        _number("RateLimit count", count, above=True)
        if per not in _SECONDS:
            raise ValueError(f"RateLimit per must be 'second', 'minute' or 'hour', not {per!r}")
        put = object.__setattr__
        put(self, "count", count)
        put(self, "per", per)
        put(self, "burst", _check.whole("RateLimit burst", burst))

    @property
    def per_second(self) -> float:
        """The rate in attempts a second."""
        return self.count / _SECONDS[self.per]

    @property
    def between(self) -> float:
        """The time between two tokens, in seconds."""
        return _SECONDS[self.per] / self.count

    @property
    def nanoseconds(self) -> int:
        """The same as the engine counts it, rounded up: a token may come late, never early. Both faces reckon alike."""
        return math.ceil(min(max(_SECONDS[self.per] * 1e9 / self.count, 1.0), 9e18))


class Retry(FrozenValue):
    """Which failures are tried again, how often and when. Waiting for a retry holds no worker.

    Args:
        attempts: tries in all, the first included.
        backoff: seconds before the second attempt; doubles with each further one.
        max_delay: the longest wait, in seconds, that backoff grows to.
        jitter: draw each wait from the upper half of it, so that what failed together does not come back together.
        on: exception classes; None: every ``Exception``. The death of a worker and a task's timeout are tried again only if ``on``
            names them (``WorkerDied``, ``TaskTimeout``, ``TimeoutError``): the task had begun, and may have done half of its deed.
        retry_if: ``retry_if(error)``: a further condition on the exception itself.
        wait_from: ``wait_from(error)``: the seconds that the error itself asks for (Retry-After), or None. If longer than the
            backoff it takes its place, and the run's limiter is paused for as long: one throttled call slows all.
        max_server_wait: the longest such wait that is followed, in seconds; None: any.

    The predicates are called in the process of the run, one at a time; what they raise becomes the item's error.

    Raises:
        TypeError, ValueError: a bad argument.
    """

    __slots__ = ("attempts", "backoff", "jitter", "max_delay", "max_server_wait", "on", "retry_if", "wait_from")

    attempts: int
    backoff: float
    max_delay: float
    jitter: bool
    on: tuple[type[BaseException], ...] | None
    retry_if: Callable[[Any], bool] | None
    wait_from: Callable[[Any], float | None] | None
    max_server_wait: float | None

    def __init__(
        self,
        attempts: int = 3,
        backoff: float = 1.0,
        max_delay: float = 60.0,
        jitter: bool = True,
        on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
        retry_if: Callable[[Any], bool] | None = None,
        wait_from: Callable[[Any], float | None] | None = None,
        max_server_wait: float | None = 600.0,
    ) -> None:
        if isinstance(on, type):
            on = (on,)
        if on is not None:
            on = _check.several("Retry on", on, "exception classes")
            for kind in on:
                if not (isinstance(kind, type) and issubclass(kind, BaseException)):  # pyright: ignore[reportUnnecessaryIsInstance]
                    raise TypeError(f"Retry on must name exception classes, not {kind!r}")
        _check.callback("Retry retry_if", retry_if)
        _check.callback("Retry wait_from", wait_from)
        attempts = _check.whole("Retry attempts", attempts, most=1_000_000)
        put = object.__setattr__
        put(self, "attempts", attempts)
        put(self, "backoff", _number("Retry backoff", backoff))
        put(self, "max_delay", _number("Retry max_delay", max_delay))
        put(self, "jitter", _check.flag("Retry jitter", jitter))
        put(self, "on", on)
        put(self, "retry_if", retry_if)
        put(self, "wait_from", wait_from)
        if max_server_wait is not None:
            max_server_wait = _number("Retry max_server_wait", max_server_wait)
        put(self, "max_server_wait", max_server_wait)

    @classmethod
    def for_http(
        cls,
        *,
        on: type[BaseException] | tuple[type[BaseException], ...],
        statuses: set[int] | frozenset[int] = frozenset({429, 503}),
        response: Callable[[Any], Any] | None = None,
        attempts: int = 3,
        backoff: float = 1.0,
        max_delay: float = 60.0,
        jitter: bool = True,
        max_server_wait: float | None = 600.0,
    ) -> Retry:
        """A ``Retry`` for services that throttle: 429 and 503 are tried again, and ``Retry-After`` is followed.

        Args:
            on: the client's exception classes. One that carries no status (no connection) is tried again whatever it is.
            statuses: the statuses that are tried again.
            response: ``response(error)``: where the response is; by default ``error.response`` (httpx, requests) or the
                error itself (aiohttp).
            attempts: as of ``Retry``.
            backoff: as of ``Retry``.
            max_delay: as of ``Retry``.
            jitter: as of ``Retry``.
            max_server_wait: as of ``Retry``.

        ``Retry-After`` is read in seconds and as a date; what cannot be read is not followed. No client is imported.
        """
        from . import _http

        _check.callback("Retry response", response)
        for status in _check.several("Retry statuses", statuses, "a set of numbers"):
            _check.whole("Retry statuses", status)
        extract = _http.response_of if response is None else response
        return cls(
            attempts=attempts,
            backoff=backoff,
            max_delay=max_delay,
            jitter=jitter,
            on=on,
            retry_if=_http.StatusIn(frozenset(statuses), extract),
            wait_from=_http.RetryAfter(extract),
            max_server_wait=max_server_wait,
        )

    def _names(self, error: BaseException) -> bool:
        from ._errors import Error, TaskTimeout, WorkerDied

        wanted = (Exception,) if self.on is None else self.on
        if isinstance(error, (WorkerDied, TaskTimeout)):
            wanted = tuple(kind for kind in wanted if kind not in (BaseException, Exception, Error))
        return isinstance(error, wanted)

    def judge(self, error: BaseException) -> float | None:
        """None: not to be tried again; else the seconds that the error asks for, 0.0 if none. Called by the engine."""
        if not self._names(error) or (self.retry_if is not None and not self.retry_if(error)):
            return None
        asked = None if self.wait_from is None else self.wait_from(error)
        if asked is None:
            return 0.0
        seconds = float(asked)
        return seconds if seconds > 0 else 0.0  # NaN is no wait
