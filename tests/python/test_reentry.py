"""The library called back from where it calls: callbacks, inputs, finalisers, signal handlers, imports in workers; forks in the middle."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import sys
import threading
from collections.abc import Iterator
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from conftest import Script

import centimane
from centimane import ItemResult, PoolForked, parallel_iter, parallel_map

HOME = str(Path(centimane.__file__).parent)


def square(x: int) -> int:
    return x * x


def inner(executor: str) -> int:
    return sum(parallel_map(square, range(4), executor=executor, workers=2))  # type: ignore[arg-type]


@pytest.mark.parametrize("which", ["on_result", "on_progress"])
def test_32_a_callback_may_run_a_map(executor: str, which: str) -> None:
    seen: list[int] = []
    callback = {which: lambda *_: seen.append(inner(executor))}
    result = parallel_map(square, range(5), executor=executor, workers=2, **callback)
    assert result.values() == [0, 1, 4, 9, 16]
    assert seen == [14] * 5


def test_32_a_callback_may_leave(executor: str) -> None:
    def leave(_: ItemResult[int]) -> None:
        sys.exit(4)

    with pytest.raises(SystemExit):
        parallel_map(square, range(100), executor=executor, workers=2, on_result=leave)
    assert inner(executor) == 14


def test_23_a_callback_may_fork(executor: str) -> None:
    """The copy has no part in the run, and runs of its own."""
    statuses: list[int] = []

    def fork(item: ItemResult[int]) -> None:
        if item.index != 3:
            return
        child = os.fork()
        if child == 0:
            os._exit(0 if inner(executor) == 14 else 1)
        statuses.append(os.waitpid(child, 0)[1])

    assert parallel_map(square, range(50), executor=executor, workers=2, on_result=fork).ok
    assert statuses == [0]


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_23_the_copy_of_a_stream_refuses(executor: str) -> None:
    stream = parallel_iter(square, itertools.count(), executor=executor, workers=2, window_size=10)
    next(stream)
    child = os.fork()
    if child == 0:
        try:
            for _ in range(100):
                next(stream)
        except PoolForked:
            os._exit(0)
        except BaseException:
            os._exit(2)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert next(stream).ok
    stream.close()  # type: ignore[attr-defined]


def test_35_the_input_may_run_maps_itself(executor: str) -> None:
    def items() -> Iterator[int]:
        for _ in range(5):
            yield inner(executor)

    assert parallel_map(square, items(), executor=executor, workers=2).values() == [196] * 5


class Finaliser:
    """In a cycle, so that the collector ends it wherever it happens to run."""

    ended: list[int] = []  # noqa: RUF012

    def __init__(self, executor: str) -> None:
        self.executor = executor
        self.me = self

    def __del__(self) -> None:
        self.ended.append(inner(self.executor))


def test_37_a_finaliser_may_run_a_map(executor: str) -> None:
    Finaliser.ended.clear()

    def items() -> Iterator[int]:
        for x in range(200):
            if x % 50 == 0:
                Finaliser(executor)
            yield x

    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        result = parallel_map(square, items(), executor=executor, workers=2, on_result=lambda item: [{}, {}, {}])
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert result.values() == [x * x for x in range(200)]
    assert Finaliser.ended == [14] * 4


class Interrupted(KeyboardInterrupt):
    pass


def interrupted_at(line: int, work: Any) -> bool:
    """Runs `work` and raises at the n-th line of the package's Python code. False: there are not so many."""
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(HOME):
            return None
        # The line of a `with` is also traced between the end of its body and __exit__, where no signal ever comes.
        if event == "line" and not getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with "):
            left -= 1
            if left == 0:
                raise Interrupted
        return trace

    sys.settrace(trace)
    try:
        work()
    except Interrupted:
        pass
    finally:
        sys.settrace(None)
    return left <= 0


@pytest.mark.parametrize("kind", ["map", "stream"])
def test_42_ctrl_c_at_any_line_of_the_package(executor: str, kind: str) -> None:
    """Whatever line of ours it meets: nothing hangs, the next run is untouched, and the leak check finds nothing."""

    def work() -> None:
        if kind == "map":
            parallel_map(square, iter(range(20)), executor=executor, workers=2, on_result=lambda item: None, timeout=60)  # type: ignore[arg-type]
        else:
            stream = parallel_iter(square, iter(range(20)), executor=executor, workers=2)  # type: ignore[arg-type]
            with contextlib.closing(stream):  # type: ignore[type-var]  # an error in a finaliser would be nobody's
                for _ in range(10):
                    next(stream)

    for line in itertools.count(1):
        if not interrupted_at(line, work):
            break
        assert inner(executor) == 14
    assert line > 30


def test_48_a_module_that_runs_a_map_when_it_is_imported(script: Script, tmp_path: Path) -> None:
    """Workers import it to find its function, and so on: the nesting ends that."""
    (tmp_path / "eager.py").write_text(
        "import centimane\n"
        "def work(x): return x + 1\n"
        "result = centimane.parallel_map(work, range(2), executor='process', workers=1)\n"
        "print(result.values() if result.ok else result.failures()[0][1])\n"
    )
    told = script("import eager", timeout=120)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[-1] == "[1, 2]"
    assert "a module that workers import starts work when it is imported" in told.stdout


def test_threads_that_call_at_once() -> None:
    wrong: list[object] = []

    def caller(k: int) -> None:
        for executor in ("thread", "process", "sequential", "process"):
            values = parallel_map(lambda x: x + k, range(100), executor=executor, workers=1 + k % 3).values()  # type: ignore[arg-type]
            if values != list(range(k, 100 + k)):
                wrong.append((k, executor))

    callers = [threading.Thread(target=caller, args=(k,)) for k in range(8)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert wrong == []
