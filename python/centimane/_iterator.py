"""What ``parallel_iter`` answers."""

from __future__ import annotations

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Generic, TypeVar

    from ._insights import Insights
    from ._result import ItemResult

    R = TypeVar("R")
else:
    from ._result import Generic, R


class ParallelIterator(_core.Stream, Generic[R]):
    """Yields an ``ItemResult`` for each item as outcomes come. ``parallel_iter`` makes it.

    Belongs to one thread at a time; ``insights`` too.
    """

    __slots__ = ("_begun",)

    def __init__(self, outcomes: Iterator[ItemResult[R]], begun: list[_core.Run]) -> None:
        super().__init__(outcomes)
        self._begun = begun

    if TYPE_CHECKING:

        def __next__(self) -> ItemResult[R]: ...

    @property
    def insights(self) -> Insights:
        """Where the time goes, so far; of a run that has ended, as it was at its end. Cost: microseconds."""
        from ._insights import NOTHING, insights_of

        raw: tuple[Any, ...] = self._begun[0].insights() if self._begun else NOTHING
        return insights_of(raw)

    def close(self) -> None:
        """Ends the run: takes back what has not begun. Idempotent."""
        self._inner.close()
