"""What tests let workers run. Each new worker imports it: nothing here may take long to load."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any


def same(item: Any) -> Any:
    return item


def process_id(_: object) -> int:
    return os.getpid()


def thread_id(_: object) -> int:
    return threading.get_ident()


def boom(n: int) -> int:
    raise ValueError(n)


def make_ready(value: object = "ready") -> None:
    """An initialiser that leaves a mark."""
    sys.centimane_made_ready = value  # type: ignore[attr-defined]


def unmake_ready() -> None:
    del sys.centimane_made_ready  # type: ignore[attr-defined]


def made_ready(_: object) -> Any:
    """The mark, or None."""
    return getattr(sys, "centimane_made_ready", None)


def lengthen(shared: list[int]) -> int:
    """How often this very list has been here."""
    shared.append(0)
    return len(shared)


def tell_and_wait(path: str) -> str:
    """Says who it is through one pipe, and waits for the other."""
    with open(path + ".out", "w") as out:
        out.write(str(os.getpid()))
    with open(path + ".in") as go:
        go.read()
    with open(path + ".done", "w") as done:
        done.write("done")
    return "done"
