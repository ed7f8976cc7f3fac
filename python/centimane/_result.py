"""What a run gives back: one outcome an item, and how the run ended."""

from __future__ import annotations

import enum

from . import _core
from ._errors import Aborted, Cancelled, TimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Generic, NoReturn, TypeVar, overload

    from ._insights import Insights

    R = TypeVar("R")
else:
    R = "R"

    class Generic:
        """Lets ``ItemResult[int]`` be written, as typing's own would, whose import costs more than this whole package."""

        __slots__ = ()
        __class_getitem__ = classmethod(type(list[int]))


class RunStatus(enum.Enum):
    """How a run ended. Only a completed run can be ok; items may have failed even so."""

    COMPLETED = "completed"
    TIMED_OUT = "timed_out"
    ABORTED = "aborted"
    CANCELLED = "cancelled"


class _Missing(enum.Enum):
    MISSING = 0


_MISSING = _Missing.MISSING


class ItemResult(Generic[R]):
    """The outcome of one item: a value or an error.

    Attributes:
        index: the item's place in the input, from 0.
        value: what the function returned; None if it failed.
        error: the exception, or None if it succeeded.
        attempts: how often it was tried; 0 if it was never begun, or its value came out of a checkpoint.
        duration: seconds in the function, waiting in queues not counted.
        key: what ``item_key`` said of it, or None.

    Immutable; may be read by any number of threads.
    """

    __slots__ = ("attempts", "duration", "error", "index", "key", "value")
    __match_args__ = ("index", "value", "error")

    index: int
    value: R | None
    error: BaseException | None
    attempts: int
    duration: float
    key: str | int | bytes | None

    def __init__(
        self,
        index: int,
        value: R | None | _Missing = _MISSING,
        error: BaseException | None | _Missing = _MISSING,
        attempts: int = 1,
        duration: float = 0.0,
        key: str | int | bytes | None = None,
    ) -> None:
        if (value is _MISSING) == (error is _MISSING):
            raise ValueError("exactly one of value and error must be given")
        if error is not _MISSING and not isinstance(error, BaseException):
            raise ValueError(f"error must be an exception, not {error!r}")
        put = object.__setattr__
        put(self, "index", index)
        put(self, "value", None if value is _MISSING else value)
        put(self, "error", None if error is _MISSING else error)
        put(self, "attempts", attempts)
        put(self, "duration", duration)
        put(self, "key", key)

    @property
    def ok(self) -> bool:
        """Did the item succeed?"""
        return self.error is None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an ItemResult cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an ItemResult cannot be changed: {name}")

    def _key(self) -> tuple[object, ...]:
        return (self.index, self.value, self.error, self.attempts, self.duration, self.key)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, ItemResult) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return _item_result, self._key()

    def __repr__(self) -> str:
        what = f"value={self.value!r}" if self.error is None else f"error={self.error!r}"
        key = "" if self.key is None else f", key={self.key!r}"
        return f"ItemResult(index={self.index}, {what}, attempts={self.attempts}, duration={self.duration:.6g}{key})"


def _item_result(
    index: int,
    value: Any,
    error: BaseException | None,
    attempts: int,
    duration: float,
    key: str | int | bytes | None = None,
) -> ItemResult[Any]:
    if error is None:
        return ItemResult(index, value=value, attempts=attempts, duration=duration, key=key)
    return ItemResult(index, error=error, attempts=attempts, duration=duration, key=key)


_core.set_item_result(ItemResult)


class ParallelResult(Generic[R]):
    """The outcomes of a run, in the order of the input.

    Reads like a list of values when every item succeeded. Otherwise iterating, indexing and ``values()`` raise: a part must never
    pass for the whole. ``successes()``, ``failures()``, ``ok_values()`` and ``item_results()`` never raise.

    Immutable; may be read by any number of threads.
    """

    __slots__ = ("_attempts", "_durations", "_failures", "_insights", "_keys", "_status", "_values")

    def __init__(
        self,
        values: Sequence[R | None],
        failures: dict[int, BaseException] | None = None,
        *,
        status: RunStatus = RunStatus.COMPLETED,
        durations: bytes | None = None,
        attempts: dict[int, int] | None = None,
        keys: dict[int, str | int | bytes] | None = None,
        insights: tuple[Any, ...] | None = None,
    ) -> None:
        self._values: list[R | None] = values if isinstance(values, list) else list(values)
        self._failures = failures or {}
        self._status = status
        self._durations = durations
        self._attempts = attempts or {}
        self._keys = keys or {}
        self._insights = insights

    @property
    def status(self) -> RunStatus:
        """How the run ended."""
        return self._status

    @property
    def ok(self) -> bool:
        """Did the run complete, and every item succeed?"""
        return self.complete and not self._failures

    @property
    def complete(self) -> bool:
        """Has every item of the input its own outcome? Says nothing about failures."""
        return self._status is RunStatus.COMPLETED

    @property
    def timed_out(self) -> bool:
        """Was the run cut short by its ``timeout``?"""
        return self._status is RunStatus.TIMED_OUT

    @property
    def aborted(self) -> bool:
        """Was the run cut short because too many items failed?"""
        return self._status is RunStatus.ABORTED

    @property
    def insights(self) -> Insights:
        """Where the run's time went: who had how many items, and which took longest. With ``insights=True`` also how long each worker
        was busy, idle, starting and serialising. Cost: made when it is asked for; O(n) to find the slowest.
        """
        from ._insights import NOTHING, insights_of

        durations = None if self._durations is None else memoryview(self._durations).cast("f")
        return insights_of(self._insights or NOTHING, durations)

    def values(self) -> list[R]:
        """All values, in the order of the input. Raises as ``raise_on_failure`` does. Cost: a copy of the list."""
        self.raise_on_failure()
        return self._values.copy()  # type: ignore[return-value]  # no failures: each is an R

    def ok_values(self) -> list[R]:
        """The values of the items that succeeded, in the order of the input."""
        return [value for _, value in self.successes()]

    def successes(self) -> list[tuple[int, R]]:
        """``(index, value)`` of each item that succeeded."""
        failures = self._failures
        return [(i, v) for i, v in enumerate(self._values) if i not in failures]  # type: ignore[misc]

    def failures(self) -> list[tuple[int, BaseException]]:
        """``(index, exception)`` of each item that did not, in the order of the input."""
        return sorted(self._failures.items())

    def item_results(self) -> list[ItemResult[R]]:
        """Every item's outcome with attempts and duration, in the order of the input."""
        seconds: Sequence[float] = [0.0] * len(self._values)
        if self._durations is not None:
            seconds = memoryview(self._durations).cast("f")
        results: list[ItemResult[R]] = []
        for i, value in enumerate(self._values):
            error = self._failures.get(i)
            attempts, duration = (self._attempts.get(i, 1), seconds[i]) if seconds[i] >= 0 else (0, 0.0)
            results.append(_item_result(i, value, error, attempts, duration, self._keys.get(i)))
        return results

    def raise_on_failure(self) -> None:
        """Does nothing if all is well.

        Raises:
            TimedOut, Aborted, Cancelled: the run was cut short.
            ExceptionGroup: items failed: holds all their exceptions, each with a note that names its item (a BaseExceptionGroup if
                one of them is no ``Exception``).
        """
        n = len(self._values)
        partial = f"after {n - len(self._failures)} of {n} known items: successes(), failures() and ok_values() have what there is"
        if self._status is RunStatus.TIMED_OUT:
            raise TimedOut(f"the run's timeout passed {partial}")
        if self._status is RunStatus.ABORTED:
            raise Aborted(f"the run was given up {partial}")
        if self._status is RunStatus.CANCELLED:
            raise Cancelled(f"the run was stopped {partial}")
        if not self._failures:
            return
        errors: list[BaseException] = []
        for i, error in self.failures():
            note = f"centimane: item {i}" + (f" (key {self._keys[i]!r})" if i in self._keys else "")
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
            errors.append(error)
        raise BaseExceptionGroup(f"{len(errors)} of {n} items failed", errors)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[R]:
        self.raise_on_failure()
        return iter(self._values)  # type: ignore[arg-type]

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> R: ...
        @overload
        def __getitem__(self, index: slice) -> list[R]: ...

    def __getitem__(self, index: int | slice) -> R | list[R]:
        self.raise_on_failure()
        return self._values[index]  # type: ignore[return-value]

    def __reduce__(self) -> tuple[Any, ...]:
        return _parallel_result, (
            self._values,
            self._failures,
            self._status,
            self._durations,
            self._attempts,
            self._keys,
            self._insights,
        )

    def __repr__(self) -> str:
        how = "" if self.complete else f", {self._status.value}"
        if self.ok and len(self._values) <= 20:
            return f"ParallelResult({self._values!r})"
        failed = len(self._failures)
        return f"ParallelResult({len(self._values) - failed} ok, {failed} failed{how})"


def _parallel_result(
    values: list[Any],
    failures: dict[int, BaseException],
    status: RunStatus,
    durations: bytes | None,
    attempts: dict[int, int],
    keys: dict[int, str | int | bytes] | None = None,
    insights: tuple[Any, ...] | None = None,
) -> ParallelResult[Any]:
    return ParallelResult(
        values, failures, status=status, durations=durations, attempts=attempts, keys=keys, insights=insights
    )
