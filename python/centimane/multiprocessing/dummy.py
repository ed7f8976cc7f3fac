"""``multiprocessing.dummy``, whose ``Pool`` is our ``ThreadPool``; everything else is the standard library's."""

from __future__ import annotations

from .pool import ThreadPool as Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Pool"]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from multiprocessing import dummy

    return getattr(dummy, name)
