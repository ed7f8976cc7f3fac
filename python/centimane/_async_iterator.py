"""What ``async_parallel_iter`` answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, TypeVar

from ._insights import Insights, insights_of
from ._result import ItemResult

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ._async_carrier import Carrier

R = TypeVar("R")


class AsyncParallelIterator(AsyncGenerator[ItemResult[R], None]):
    """Yields an ``ItemResult`` for each item as outcomes come. ``async_parallel_iter`` makes it.

    An async generator in all but its type: what is dropped unfinished is closed by the loop, ``contextlib.aclosing`` closes it at once.
    Belongs to one task at a time; ``insights`` too.
    """

    __slots__ = ("_carrier", "_outcomes")

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._outcomes: AsyncGenerator[ItemResult[R], None] = carrier.outcomes()

    # Each hands over the generator's own awaitable: no coroutine of ours stands between an outcome and who awaits it.

    def __anext__(self) -> Coroutine[Any, Any, ItemResult[R]]:
        return self._outcomes.__anext__()

    def asend(self, value: None) -> Coroutine[Any, Any, ItemResult[R]]:
        """``__anext__``: outcomes take no value."""
        return self._outcomes.asend(value)

    def athrow(self, *error: Any) -> Coroutine[Any, Any, ItemResult[R]]:
        """Raises an exception where the stream stands, which ends the run."""
        return self._outcomes.athrow(*error)

    def aclose(self) -> Coroutine[Any, Any, None]:
        """Ends the run: takes back what has not begun, cancels what runs on the loop and waits for it. Idempotent."""
        return self._outcomes.aclose()

    @property
    def insights(self) -> Insights:
        """Where the time goes, so far; of a run that has ended, as it was at its end. Cost: microseconds."""
        return insights_of(self._carrier.insights())
