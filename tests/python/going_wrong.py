"""What goes wrong in tasks, in every way. Each new worker imports this, so it imports little itself."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def go_wrong(how: str) -> None:
    if how == "exit":
        os._exit(7)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crash":
        import ctypes

        ctypes.string_at(0)
    if how == "raise":
        raise ValueError("as asked")
    sys.exit(3)


def square(x: int) -> int:
    return x * x


class Written:
    """Goes wrong when it is pickled."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        go_wrong(self.how)


class Read:
    """Goes wrong when it is unpickled. With so many bytes beside it."""

    def __init__(self, how: str, size: int = 0) -> None:
        self.how = how
        self.size = size

    def __reduce__(self) -> Any:
        return _read, (self.how, b"x" * self.size)


def _read(how: str, _ballast: bytes) -> None:
    go_wrong(how)


class Dropped:
    """Goes wrong when it is destroyed."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __del__(self) -> None:
        go_wrong(self.how)


def written(how: str) -> Written:
    return Written(how)


def read(how: str, size: int) -> Read:
    return Read(how, size)


def dropped(how: str) -> int:
    """In garbage that only the collector finds, while the task runs."""
    import gc

    garbage: list[Any] = [Dropped(how)]
    garbage.append(garbage)
    del garbage
    gc.collect()
    return 1


class AsFunction:
    """A callable that goes wrong at being written or read."""

    def __init__(self, part: Written | Read) -> None:
        self.part = part

    def __call__(self) -> int:
        return 1
