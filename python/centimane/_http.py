"""What an HTTP client's exception tells about throttling, whichever client it is from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ._policies import FrozenValue


def response_of(error: BaseException) -> Any:
    """Clients such as httpx and requests hang the response on the exception; aiohttp's exception is the response."""
    response = getattr(error, "response", None)
    return error if response is None else response


def status_of(response: Any) -> int | None:
    """``status_code`` or ``status``, else None."""
    for name in ("status_code", "status", "code"):
        value = getattr(response, name, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def retry_after(response: Any) -> float | None:
    """``Retry-After`` in seconds from now, whether it was sent as seconds or as a date; None if there is none to follow."""
    headers = getattr(response, "headers", None)
    if headers is None:
        return None
    value = headers.get("Retry-After")
    if value is None:
        value = headers.get("retry-after")  # a plain dict is particular about case
    if value is None:
        return None
    text = str(value).strip()
    try:
        seconds = float(text)
    except ValueError:
        return _until(text)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(date: str) -> float | None:
    import datetime
    import email.utils

    try:
        when = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return max(0.0, (when - datetime.datetime.now(datetime.UTC)).total_seconds())


class StatusIn(FrozenValue):
    """``retry_if``: one of these statuses, or none at all (no connection)."""

    __slots__ = ("response", "statuses")

    statuses: frozenset[int]
    response: Callable[[Any], Any]

    def __init__(self, statuses: frozenset[int], response: Callable[[Any], Any]) -> None:
        object.__setattr__(self, "statuses", statuses)
        object.__setattr__(self, "response", response)

    def __call__(self, error: BaseException) -> bool:
        status = status_of(self.response(error))
        return status is None or status in self.statuses


class RetryAfter(FrozenValue):
    """``wait_from``: what the response asks for."""

    __slots__ = ("response",)

    response: Callable[[Any], Any]

    def __init__(self, response: Callable[[Any], Any]) -> None:
        object.__setattr__(self, "response", response)

    def __call__(self, error: BaseException) -> float | None:
        return retry_after(self.response(error))
