"""A function that goes as its name is read once by a worker, not once a run; one that goes by value is new in each run."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from centimane import parallel_map

WATCHED = """
looks = 0

def _task(x):
    return looks

_task.__qualname__ = _task.__name__ = "task"

def __getattr__(name):  # each reading of the name comes by here
    global looks
    if name != "task":
        raise AttributeError(name)
    looks += 1
    return _task
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """Writes a module of that text and imports it; it is forgotten at the test's end."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def make(text: str) -> Any:
        name = f"kept_{request.node.name}_{len(made)}".replace("[", "_").replace("]", "")
        (tmp_path / f"{name}.py").write_text(text)
        made.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)


def on_one_worker(function: Any, items: list[int]) -> Any:
    return parallel_map(function, items, executor="process", workers=1)


def test_a_name_is_read_once(module: Any) -> None:
    task = module(WATCHED).task
    assert [on_one_worker(task, [0]).values() for _ in range(3)] == [[1], [1], [1]]


def test_only_a_few_are_kept(module: Any) -> None:
    tasks = [module(WATCHED).task for _ in range(6)]
    for task in tasks:
        assert on_one_worker(task, [0]).values() == [1]
    # The first has made room for the last; the last is still there.
    assert on_one_worker(tasks[5], [0]).values() == [1]
    assert on_one_worker(tasks[0], [0]).values() == [2]


def test_what_goes_by_value_is_new_each_time() -> None:
    count = lambda x, seen=[]: (seen.append(x), len(seen))[1]  # noqa: E731
    assert [on_one_worker(count, [5, 5]).values() for _ in range(2)] == [[1, 2], [1, 2]]


def test_a_name_that_could_not_be_read_is_read_again(module: Any, tmp_path: Path) -> None:
    needed = tmp_path / "needed"
    needed.touch()
    task = module(f"import os\nos.stat({str(needed)!r})\ndef task(x):\n    return x + 1\n").task
    needed.unlink()
    assert not on_one_worker(task, [1]).ok
    needed.touch()
    assert on_one_worker(task, [1]).values() == [2]


def test_runs_at_the_same_time_may_share_a_function(module: Any) -> None:
    task = module("def task(x):\n    return x + 1\n").task
    wrong: list[object] = []

    def use() -> None:
        for n in range(20):
            got = parallel_map(task, range(n), executor="process", workers=2).values()
            if got != list(range(1, n + 1)):
                wrong.append((n, got))

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
