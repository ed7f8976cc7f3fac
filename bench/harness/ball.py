"""Two processes that play a ball to each other, by whichever locks."""

import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from typing import Any


def _by_semaphore(mine: Any, other: Any, turns: int) -> None:
    for _ in range(turns):
        mine.acquire()
        other.release()


def _by_condition(condition: Any, whose: Any, me: int, turns: int) -> None:
    for _ in range(turns):
        with condition:
            while whose[0] != me:
                condition.wait()
            whose[0] = 1 - me
            condition.notify()


def _serve_by_condition(condition: Any, whose: Any) -> None:
    with condition:
        whose[0] = 1
        condition.notify_all()


def player(locks: Any) -> Callable[[str, int], float]:
    """Answers what plays that many turns by one kind of lock ("Semaphore", "Condition"), and tells the seconds."""
    fork = multiprocessing.get_context("fork")

    def play(kind: str, turns: int) -> float:
        if kind == "Semaphore":
            here, there = locks.Semaphore(0), locks.Semaphore(0)
            other = fork.Process(target=_by_semaphore, args=(there, here, turns))
            serve, mine = there.release, partial(_by_semaphore, here, there, turns)
        else:
            condition, whose = locks.Condition(locks.Lock()), fork.RawArray("i", [2])
            other = fork.Process(target=_by_condition, args=(condition, whose, 1, turns))
            serve, mine = (
                partial(_serve_by_condition, condition, whose),
                partial(_by_condition, condition, whose, 0, turns),
            )
        other.start()
        begin = time.perf_counter()
        serve()
        mine()
        seconds = time.perf_counter() - begin
        other.join()
        if other.exitcode != 0:
            raise AssertionError("the other player has failed")
        return seconds

    return play
