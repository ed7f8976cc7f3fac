"""Fault 64: what changes while it is sent. Each item is a state that existed, or names the change as its own error."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from centimane import PayloadError, parallel_map
from centimane.futures import ProcessPoolExecutor

KEYS = 100


class Reduced:
    """Pickled by Python code, where threads take turns."""

    def __init__(self, change: Callable[[], None] | None = None) -> None:
        self.change = change

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        if self.change is not None:
            self.change()
        return int, (0,)


@contextmanager
def changed_all_the_time(shared: dict[int, Reduced]) -> Iterator[None]:
    """The dict has KEYS or KEYS + 1 entries, at any moment, while this lasts."""
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            shared[KEYS] = Reduced()
            del shared[KEYS]

    thread = threading.Thread(target=change)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_a_dict_that_another_thread_changes() -> None:
    shared = {n: Reduced() for n in range(KEYS)}
    with changed_all_the_time(shared):
        result = parallel_map(len, [shared] * 200, executor="process", workers=2)
    outcomes = list(result.item_results())
    assert len(outcomes) == 200
    for outcome in outcomes:
        if outcome.ok:
            assert outcome.value in (KEYS, KEYS + 1)
        else:
            assert isinstance(outcome.error, PayloadError)
            assert outcome.error.stage == "write_args"
            assert "changed" in str(outcome.error)
    assert parallel_map(len, [shared] * 20, executor="process", workers=2).values() == [KEYS] * 20


def test_a_dict_that_changes_while_it_is_pickled() -> None:
    changing: dict[int, Reduced] = {}
    changing.update({0: Reduced(lambda: changing.update({len(changing): Reduced()})), 1: Reduced()})
    calm = {0: Reduced()}
    result = parallel_map(len, [calm, changing, calm], executor="process", workers=2)
    ((index, error),) = result.failures()
    assert (index, type(error)) == (1, PayloadError)
    assert "changed" in str(error)
    assert result.successes() == [(0, 1), (2, 1)]


def test_a_submitted_task_holds_what_was_there_when_it_was_submitted() -> None:
    with ProcessPoolExecutor(1) as executor:
        state = list(range(1000))
        futures = []
        for n in range(50):
            futures.append(executor.submit(sum, state))
            state[0] = n + 1
            state.append(0)
        assert [future.result() for future in futures] == [sum(range(1000)) + n for n in range(50)]
