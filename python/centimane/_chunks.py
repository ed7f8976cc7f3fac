"""A chunk of calls as one call; the first exception ends it. Loaded by workers, so it imports what an interpreter has."""

from __future__ import annotations

from itertools import starmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


def each(function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
    """``[function(item) for item in items]``."""
    return list(map(function, items))


def each_star(function: Callable[..., Any], items: Iterable[Iterable[Any]]) -> list[Any]:
    """``[function(*item) for item in items]``."""
    return list(starmap(function, items))
