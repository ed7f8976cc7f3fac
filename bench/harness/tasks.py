"""The functions that are mapped and the items they are mapped over. Workers import this module, so it imports nothing itself."""

import os
import signal
import time


def nothing(x: object) -> object:
    """What is measured is everything around it."""
    return x


class Reading:
    """An instance as user code has them: a plain class with three attributes."""

    def __init__(self, name: str, number: int, value: float) -> None:
        self.name = name
        self.number = number
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reading) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


def ints(count: int) -> list[object]:
    """Items that are numbers."""
    return list(range(count))


def tuples(count: int) -> list[object]:
    """Items that are small tuples of scalars."""
    return [(i, f"item {i % 97}", i / 8) for i in range(count)]


def dicts(count: int) -> list[object]:
    """Items that are small dictionaries."""
    return [{"name": f"item {i % 97}", "number": i, "value": i / 8} for i in range(count)]


def instances(count: int) -> list[object]:
    """Items that are instances of a plain class."""
    return [Reading(f"item {i % 97}", i, i / 8) for i in range(count)]


def crunch(steps: int) -> int:
    """Computes, in Python alone, for some 50 ns a step."""
    total = 0
    for i in range(steps):
        total += i * i % 7
    return total


def mortal(item: tuple[int, str]) -> tuple[int, int, int]:
    """Works for two milliseconds; answers its worker and when it began. The item that is given a path tells there when it dies."""
    index, path = item
    began = time.monotonic_ns()
    if path:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(time.monotonic_ns()))
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.002)
    return index, os.getpid(), began
