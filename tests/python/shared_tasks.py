"""What the tests of shared data have in tasks and in processes of their own."""

from __future__ import annotations

import os
import pickle
import signal
from typing import Any

from centimane import Shared, SharedArray


def fill(array: SharedArray, value: float) -> int:
    """Writes in place."""
    for k in range(len(array)):
        array[k] = value
    return os.getpid()


def make(n: int) -> SharedArray:
    made = SharedArray(n, "int64")
    for k in range(n):
        made[k] = k
    return made


def hold_and_tell(array: SharedArray, line: Any) -> None:
    """Keeps it until it is told to go, or killed."""
    line.send(float(array[0]))
    line.recv()


def read_from(queue: Any, line: Any) -> None:
    line.send(float(queue.get()[0]))


def send_and_die(line: Any) -> None:
    made = SharedArray(1000)
    made[0] = 4.5
    line.send(made)
    line.recv()
    os.kill(os.getpid(), signal.SIGKILL)


def read_shared(shared: Shared[dict[str, Any]], key: str) -> Any:
    return shared.get()[key]


def put_and_end(queue: Any) -> None:
    queue.put(make(5))


def make_and_end(n: int, path: str) -> None:
    """Sends it in a file, as far as anybody knows, and is gone."""
    with open(path, "wb") as file:
        pickle.dump(make(n), file)
    os.kill(os.getpid(), signal.SIGKILL)


def inner_map(array: SharedArray) -> float:
    from centimane import parallel_map

    parallel_map(lambda k: fill(array, k), [6.0], executor="process", workers=1).values()
    return float(array[0])
