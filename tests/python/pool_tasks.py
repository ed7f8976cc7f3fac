"""What the tests of pools have in tasks, in a module that imports little: each new worker loads it."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

_kept: dict[str, Any] = {}


def square(x: int) -> int:
    return x * x


def add(x: int, y: int = 0, *, z: int = 0) -> int:
    return x + y + z


def fail_at_three(x: int) -> int:
    if x == 3:
        raise KeyError(x)
    return x


def end_at_three(x: int) -> int:
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def say_and_sleep(path: str) -> None:
    open(path, "w").close()
    time.sleep(600)


def remember(value: object) -> None:
    _kept["in this worker"] = value


def remembered() -> Any:
    return _kept["in this worker"]


def always_fails() -> None:
    raise OSError("no licence")


class Bad:
    def __reduce__(self) -> Any:
        raise ArithmeticError("nor there")


def make_bad() -> Bad:
    return Bad()
