"""What test_joblib_pools.py has in tasks. Each new worker imports this, so it imports little itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from joblib import Parallel, delayed


def square(x: int) -> int:
    return x * x


def until(there: Callable[[], bool]) -> None:
    while not there():
        time.sleep(0.001)


def say_and_hang(path: Path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(600)


def hang_but_one(folder: Path, n: int) -> int:
    """The first task hangs; the second raises once the first is known to run."""
    if n == 0:
        say_and_hang(folder / "begun")
    until((folder / "begun").exists)
    raise KeyError("as asked")


def die_or_square(n: int, how: str) -> int:
    if n == 3:
        if how == "exit":
            os._exit(7)
        os.kill(os.getpid(), signal.SIGKILL)
    return n * n


def meet(folder: Path, n: int) -> int:
    """Ends when the other is there too: two workers are at work."""
    (folder / f"met {n}").touch()
    until((folder / f"met {1 - n}").exists)
    return n


def inside(x: int) -> list[int]:
    return Parallel(n_jobs=2, backend="centimane")(delayed(square)(x + n) for n in range(3))


def environment() -> tuple[str | None, str | None]:
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")
