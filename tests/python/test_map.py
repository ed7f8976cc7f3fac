"""parallel_map and parallel_starmap: the same outcomes on every executor, bad arguments at the call."""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import centimane
from centimane import (
    ItemResult,
    ParallelResult,
    PayloadError,
    RunStatus,
    StartFailed,
    TaskTimeout,
    TimedOut,
    WorkerDied,
    parallel_map,
    parallel_starmap,
)


def square(x: int) -> int:
    return x * x


def inverse(x: int) -> float:
    return 1 / x


class Odd(Exception):
    def __init__(self, number: int, *, extra: str) -> None:
        super().__init__(number)
        self.number = number
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        return _odd, (self.number, self.extra)


def _odd(number: int, extra: str) -> Odd:
    return Odd(number, extra=extra)


def refuse_odd(x: int) -> int:
    if x % 2:
        raise Odd(x, extra="told to")
    return x


@pytest.mark.parametrize(
    "items",
    [
        [3, 1, 2],
        (3, 1, 2),
        range(5),
        range(10, -10, -3),
        {1: "a", 2: "b"},
        {5},
        "",
        [],
        range(0),
        bytearray(b"ab"),
    ],
    ids=repr,
)
def test_values_in_the_order_of_the_input(executor: str, items: Any) -> None:
    expected = [repr(item) for item in items]
    result = parallel_map(repr, items, executor=executor, workers=2)
    assert result.ok
    assert list(result) == expected == result.values()
    assert len(result) == len(expected)


def test_a_generator_is_read_to_its_end(executor: str) -> None:
    assert parallel_map(square, (x for x in range(3000)), executor=executor, workers=2).values() == [
        x * x for x in range(3000)
    ]


def test_a_generator_is_read_one_window_ahead(executor: str) -> None:
    pulled = settled = most = 0

    def items() -> Iterator[int]:
        nonlocal pulled, most
        for x in range(200):
            pulled += 1
            most = max(most, pulled - settled)
            yield x

    def count(_: ItemResult[int]) -> None:
        nonlocal settled
        settled += 1

    assert parallel_map(square, items(), executor=executor, workers=2, window_size=7, on_result=count).ok
    assert most <= 7


def test_batch_size_is_an_older_name(executor: str) -> None:
    assert parallel_map(square, iter(range(10)), executor=executor, workers=2, batch_size=2).ok


def test_a_list_that_changes_meanwhile_does_no_harm() -> None:
    items = list(range(100))
    result = parallel_map(square, items, on_result=lambda _: items.clear(), workers=2)
    assert result.values() == [x * x for x in range(100)]


def test_starmap(executor: str) -> None:
    result = parallel_starmap(pow, [(2, 3), [3, 2], (2, 3, 5), 4], executor=executor, workers=2)
    assert result.ok_values() == [8, 9, 3]
    assert [(i, type(e)) for i, e in result.failures()] == [(3, TypeError)]


def test_failures_stand_beside_values(executor: str) -> None:
    result = parallel_map(inverse, [1, 0, 4], executor=executor, workers=2)
    assert not result.ok
    assert result.complete
    assert result.status is RunStatus.COMPLETED
    assert result.successes() == [(0, 1.0), (2, 0.25)]
    ((index, error),) = result.failures()
    assert index == 1
    assert type(error) is ZeroDivisionError
    with pytest.raises(ExceptionGroup, match="1 of 3 items failed") as caught:
        list(result)
    assert caught.value.exceptions == (error,)
    assert error.__notes__ == ["centimane: item 1"]


def test_an_exception_comes_back_as_itself(executor: str) -> None:
    result = parallel_map(refuse_odd, range(4), executor=executor, workers=2)
    errors = dict(result.failures())
    assert sorted(errors) == [1, 3]
    for number, error in errors.items():
        assert isinstance(error, Odd)
        assert (error.number, error.extra) == (number, "told to")


def test_a_remote_traceback_is_attached() -> None:
    result = parallel_map(inverse, [0], executor="process", workers=1)
    cause = result.failures()[0][1].__cause__
    assert "in inverse" in str(cause)
    assert "return 1 / x" in str(cause)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
def test_any_base_exception_is_the_items_own(kind: type[BaseException]) -> None:
    def work(x: int) -> int:
        if x == 1:
            raise kind("from the task")
        return x

    for name in ("thread", "process"):
        result = parallel_map(work, range(3), executor=name, workers=2)
        assert [(i, type(e), e.args) for i, e in result.failures()] == [(1, kind, ("from the task",))]
        with pytest.raises(BaseExceptionGroup):
            result.values()


def test_item_results_have_attempts_and_duration(executor: str) -> None:
    def work(x: int) -> int:
        time.sleep(0.01)
        return inverse(x) and x

    first, second = parallel_map(work, [1, 0], executor=executor, workers=2).item_results()
    assert (first.index, first.value, first.error, first.ok, first.attempts) == (0, 1, None, True, 1)
    assert (second.index, second.value, second.ok, second.attempts) == (1, None, False, 1)
    assert first.duration >= 0.01


def test_on_result_sees_each_item_once(executor: str) -> None:
    seen: list[ItemResult[int]] = []
    main = threading.get_ident()

    def look(item: ItemResult[int]) -> None:
        assert threading.get_ident() == main
        seen.append(item)

    parallel_map(refuse_odd, range(100), executor=executor, workers=2, on_result=look)
    assert sorted(item.index for item in seen) == list(range(100))
    assert all(item.ok == (item.index % 2 == 0) for item in seen)


def test_on_progress_counts_up(executor: str) -> None:
    seen: list[tuple[int, int]] = []
    parallel_map(
        square, range(50), executor=executor, workers=2, on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(n, 50) for n in range(1, 51)]


@pytest.mark.parametrize("which", ["on_result", "on_progress"])
def test_an_exception_of_a_callback_ends_the_run(executor: str, which: str) -> None:
    calls = 0

    def callback(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise Odd(1, extra="from the callback")

    with pytest.raises(Odd, match="1"):
        parallel_map(square, range(10_000), executor=executor, workers=2, **{which: callback})
    assert calls == 1


def test_an_exception_of_the_input_is_raised(executor: str) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise Odd(5, extra="from the input")

    seen: list[int | None] = []
    with pytest.raises(Odd):
        parallel_map(square, items(), executor=executor, workers=2, on_result=lambda item: seen.append(item.value))
    assert sorted(seen) == [0, 1, 4, 9, 16]  # type: ignore[type-var]  # no None among them


def timed_out(run: Callable[[float], ParallelResult[Any]]) -> ParallelResult[Any]:
    """A run that has passed its time limit and had got somewhere by then: how long that takes here and today is no matter of a test."""
    for limit in (0.3, 1.0, 4.0, 16.0):
        result = run(limit)
        assert result.status is RunStatus.TIMED_OUT
        assert {type(e) for _, e in result.failures()} <= {TimedOut}
        if result.successes():
            return result
    pytest.fail("no item was done in 16 seconds")


@pytest.mark.parametrize("name", ["thread", "process"])
def test_timeout_keeps_what_there_is(name: str) -> None:
    def run(limit: float) -> ParallelResult[Any]:
        release = threading.Event()

        def work(x: int) -> int:
            if x:
                release.wait(60)
            return x

        result = parallel_map(work, range(6), executor=name, workers=2, timeout=limit)
        release.set()
        return result

    result = timed_out(run)
    assert result.timed_out
    assert not result.ok
    assert len(result) == 6
    assert result.successes() == [(0, 0)]
    assert [index for index, _ in result.failures()] == [1, 2, 3, 4, 5]
    with pytest.raises(TimeoutError):
        result.values()


def test_timeout_on_this_thread_is_looked_at_between_items() -> None:
    result = timed_out(lambda limit: parallel_map(time.sleep, [limit * 0.6] * 4, sequential=True, timeout=limit))
    assert len(result.successes()) <= 2
    assert [item.attempts for item in result.item_results()][-1] == 0


def test_a_timed_out_generator_ends_where_it_was() -> None:
    def items() -> Iterator[float]:
        while True:
            yield 0.05

    result = timed_out(lambda limit: parallel_map(time.sleep, items(), workers=2, timeout=limit, window_size=4))
    assert len(result.successes()) + len(result.failures()) == len(result)


def test_task_timeout_costs_one_item_and_shows_where() -> None:
    def work(x: int) -> int:
        if x == 2:
            time.sleep(60)
        return x

    result = parallel_map(work, range(5), executor="process", workers=2, task_timeout=1)
    ((index, error),) = result.failures()
    assert index == 2
    assert isinstance(error, TaskTimeout)
    assert isinstance(error, TimeoutError)
    assert "work" in error.stack
    assert error.limit == 1


def test_a_dead_worker_costs_one_item() -> None:
    def work(x: int) -> int:
        if x == 10:
            os.kill(os.getpid(), 9)
        return x

    result = parallel_map(work, range(100), executor="process", workers=2)
    ((index, error),) = result.failures()
    assert index == 10
    assert isinstance(error, WorkerDied)
    assert (error.signal, error.stage) == (9, "run")
    assert result.ok_values() == [x for x in range(100) if x != 10]


def test_contextvars_are_copied_for_each_thread_task() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    variable.set("caller")

    def work(x: int) -> str:
        before = variable.get()
        variable.set(f"task {x}")
        return before

    assert set(parallel_map(work, range(50), workers=2)) == {"caller"}
    assert variable.get() == "caller"


def test_threads_are_reused() -> None:
    runs = [set(parallel_map(lambda _: threading.current_thread().name, range(20), workers=2)) for _ in range(30)]
    names = set().union(*runs)
    assert all(name.startswith("centimane-") for name in names)
    # One more comes where the last ones have given their results and are not idle yet; new ones for each run would be 30 or more.
    assert len(names) < 30


def test_runs_nest_on_threads() -> None:
    def outer(n: int) -> int:
        return sum(parallel_map(square, range(n), workers=2))

    assert parallel_map(outer, [3, 4, 5, 6], workers=2).values() == [5, 14, 30, 55]


def test_workers_may_be_parallel_themselves() -> None:
    def outer(n: int) -> int:
        return sum(parallel_map(square, range(n), executor="process", workers=2))

    assert parallel_map(outer, [3, 4], executor="process", workers=2).values() == [5, 14]


def test_blocking_tasks_run_at_once() -> None:
    barrier = threading.Barrier(4)
    assert parallel_map(lambda _: barrier.wait(30) >= 0, range(4), workers=4).ok


def test_worker_init_runs_once_a_worker(executor: str) -> None:
    def init(value: int) -> None:
        global _initialised
        _initialised.append(value)

    def work(_: int) -> int:
        return len(_initialised)

    result = parallel_map(work, range(20), executor=executor, workers=2, worker_init=_note_init, worker_init_args=(5,))
    if executor == "process":
        result = parallel_map(
            _look_init, range(20), executor=executor, workers=2, worker_init=_note_init, worker_init_args=(5,)
        )
        assert set(result) == {(5,)}
    else:
        count = len(_initialised)
        assert 1 <= count <= 2
        assert set(_initialised) == {5}
    _initialised.clear()
    del init


def test_only_so_many_threads_are_initialised() -> None:
    """Hands come and go between items that come late; the run still has its two, and they end with it."""
    ready: list[int] = []
    threads: set[int] = set()

    def work(item: int) -> bool:
        threads.add(threading.get_ident())
        return threading.get_ident() in ready

    def slowly() -> Iterator[int]:
        for item in range(300):
            if item % 3 == 0:
                parallel_map(abs, range(2), workers=2)  # other runs take hands meanwhile
            yield item

    result = parallel_map(work, slowly(), workers=2, worker_init=lambda: ready.append(threading.get_ident()))
    assert all(result.values())
    assert len(ready) == len(set(ready)) <= 2
    assert threads <= set(ready)


_initialised: list[int] = []


def _note_init(value: int) -> None:
    _initialised.append(value)


def _look_init(_: int) -> tuple[int, ...]:
    return tuple(_initialised)


def _refuse_init() -> None:
    raise Odd(3, extra="no such database")


def test_a_failing_worker_init_is_loud() -> None:
    with pytest.raises(StartFailed, match="no such database"):
        parallel_map(square, range(5), executor="process", workers=2, worker_init=_refuse_init)
    with pytest.raises(Odd):
        parallel_map(square, range(5), executor="thread", workers=2, worker_init=_refuse_init)
    with pytest.raises(Odd):
        parallel_map(square, range(5), executor="sequential", worker_init=_refuse_init)


@pytest.mark.parametrize("quota", [1, 3])
def test_max_tasks_per_worker(quota: int) -> None:
    pids = parallel_map(
        lambda _: os.getpid(), range(20), executor="process", workers=2, max_tasks_per_worker=quota
    ).values()
    assert max(pids.count(pid) for pid in set(pids)) <= quota


def test_the_pool_is_warm() -> None:
    first = set(parallel_map(lambda _: os.getppid(), range(8), executor="process", workers=2))
    second = set(parallel_map(lambda _: os.getppid(), range(8), executor="process", workers=2))
    assert first == second  # the same zygote


@pytest.mark.parametrize("chunksize", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_chunks_change_nothing_but_the_way(chunksize: int, make: Any) -> None:
    result = parallel_map(refuse_odd, make(list(range(101))), executor="process", workers=2, chunksize=chunksize)
    assert result.ok_values() == list(range(0, 101, 2))
    assert [i for i, _ in result.failures()] == list(range(1, 101, 2))
    assert all(type(e) is Odd for _, e in result.failures())


def test_one_unpicklable_result_of_a_chunk_is_its_own() -> None:
    def work(x: int) -> Any:
        return threading.local() if x == 3 else x

    result = parallel_map(work, range(10), executor="process", workers=2, chunksize=5)
    assert [i for i, _ in result.failures()] == [3]


class Leaves:
    """Raises what no ``except Exception`` sees, while it is pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise SystemExit(5)


@pytest.mark.parametrize("bad", [threading.Lock, Leaves, lambda: [Leaves()]])
@pytest.mark.parametrize("chunksize", [1, 4, 30])
def test_what_cannot_be_pickled_is_its_own_failure(bad: Any, chunksize: int) -> None:
    places = [3, 5, 8, 9, 10, 11, 12]  # some of a chunk, all of a chunk
    for items, work in (
        ([bad() if x in places else x for x in range(20)], lambda x: x),
        (range(20), lambda x: bad() if x in places else x),
    ):
        result = parallel_map(work, items, executor="process", workers=2, chunksize=chunksize)
        assert [i for i, _ in result.failures()] == places
        assert result.ok_values() == [x for x in range(20) if x not in places]
        for _, error in result.failures():
            assert isinstance(error, PayloadError if bad is threading.Lock else (PayloadError, SystemExit)), error


def test_an_unpicklable_item_of_a_chunk_keeps_its_error_when_the_worker_dies() -> None:
    def die(x: object) -> None:
        os.kill(os.getpid(), 9)

    result = parallel_map(die, [1, threading.Lock(), 3], executor="process", workers=1, chunksize=3)
    assert [type(error) for _, error in result.failures()] == [WorkerDied, PayloadError, WorkerDied]


def test_fork_inherits_what_cannot_be_pickled() -> None:
    local = threading.local()
    local.value = 7
    generator = iter(range(5))

    def work(x: int) -> int:
        assert generator is not None
        return x + int(local.value)

    result = parallel_map(work, range(5), executor="process", workers=2, start="fork")
    assert result.values() == [7, 8, 9, 10, 11]


def test_state_is_told_to_warm_workers(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_: int) -> tuple[str, str | None]:
        return os.getcwd(), os.environ.get("CENTIMANE_TEST_VALUE")

    assert parallel_map(look, [1], executor="process", workers=1)[0][1] is None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CENTIMANE_TEST_VALUE", "here")
    assert parallel_map(look, [1], executor="process", workers=1)[0] == (str(tmp_path), "here")


def test_progress_counts_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    tqdm = pytest.importorskip("tqdm")
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)  # tqdm's own thread stays for good
    parallel_map(square, range(10), executor=executor, workers=2, progress=True)
    assert "10/10" in capsys.readouterr().err


@pytest.mark.parametrize(("function", "items"), [(5, [1]), (None, [1]), (square, 5), (square, None), (square, int)])
def test_no_function_and_no_items(function: Any, items: Any) -> None:
    for call in (parallel_map, parallel_starmap, centimane.parallel_iter):
        with pytest.raises(TypeError):
            call(function, items)


def test_sequential_ignores_what_is_for_workers() -> None:
    result = parallel_map(
        square,
        range(3),
        sequential=True,
        executor="process",
        workers=7,
        task_timeout=1,
        max_tasks_per_worker=3,
        start="fork",
    )
    assert isinstance(result, ParallelResult)
    assert result.values() == [0, 1, 4]
