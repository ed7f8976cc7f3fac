"""``centimane.multiprocessing``: what pools of processes and of threads answer, as the standard library's do."""

from __future__ import annotations

import multiprocessing
import operator
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pool_tasks import add, always_fails, fail_at_three, make_bad, remember, remembered, square

import centimane.multiprocessing
import centimane.multiprocessing.dummy
import centimane.multiprocessing.pool
from centimane import PayloadError, StartFailed
from centimane.multiprocessing import Pool, ThreadPool, TimeoutError
from centimane.multiprocessing.pool import AsyncResult, IMapIterator, MapResult

AnyPool = Pool


@pytest.fixture(params=[Pool, ThreadPool])
def pool(request: pytest.FixtureRequest) -> Iterator[AnyPool]:
    with request.param(2) as made:
        yield made
    made.join()


@pytest.fixture
def processes() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made
    made.join()


# ---- values


def test_apply(pool: AnyPool) -> None:
    assert pool.apply(add, (1, 2), {"z": 3}) == 6
    assert pool.apply(add, [1]) == 1
    assert pool.apply_async(add, (1,)).get() == 1


@pytest.mark.parametrize("chunksize", [None, 1, 2, 7, 1000])
def test_map(pool: AnyPool, chunksize: int | None) -> None:
    assert pool.map(square, range(100), chunksize) == [n * n for n in range(100)]
    assert pool.map(square, iter(range(100)), chunksize) == [n * n for n in range(100)]
    assert pool.starmap(add, [(n, 1) for n in range(100)], chunksize) == list(range(1, 101))
    assert pool.starmap(add, [[n] for n in range(100)], chunksize) == list(range(100))
    assert pool.map_async(square, [], chunksize).get() == []
    assert pool.map(str, {"a": 1, "b": 2}, chunksize) == ["a", "b"]


@pytest.mark.parametrize("chunksize", [1, 3, 1000])
def test_imap(pool: AnyPool, chunksize: int) -> None:
    assert list(pool.imap(square, range(100), chunksize)) == [n * n for n in range(100)]
    assert sorted(pool.imap_unordered(square, iter(range(100)), chunksize)) == [n * n for n in range(100)]
    assert list(pool.imap(square, [], chunksize)) == list(pool.imap_unordered(square, [], chunksize)) == []


def test_by_value(pool: AnyPool) -> None:
    offset = 7
    assert pool.map(lambda n: n + offset, range(50)) == list(range(7, 57))
    assert pool.starmap(lambda a, b: a * b * offset, [(1, 2), (3, 4)] * 20) == [14, 84] * 20
    assert list(pool.imap(lambda n: n + offset, range(50))) == list(range(7, 57))
    assert pool.apply(lambda *, a: a + offset, (), {"a": 1}) == 8


def test_one_function_in_every_form(processes: Pool) -> None:
    offset = 3

    def shifted(x: int, y: int = 0) -> int:
        return x + y + offset

    for _ in range(3):
        assert processes.map(shifted, range(20)) == list(range(3, 23))
        assert processes.apply(shifted, (1,)) == 4
        assert processes.apply(shifted, (1,), {"y": 1}) == 5
        assert processes.starmap(shifted, [(1, 1)] * 20) == [5] * 20
    assert processes.map(operator.itemgetter(1), [(1, 2)] * 20) == [2] * 20


def test_large_values(processes: Pool) -> None:
    blocks = [bytes([n]) * 300_000 for n in range(8)]
    assert processes.map(bytes.upper, blocks) == [block.upper() for block in blocks]
    assert list(processes.imap(len, (block * 2 for block in blocks))) == [600_000] * 8


def test_a_default_pool_has_as_many_workers_as_processors() -> None:
    with Pool() as pool, ThreadPool() as threads:
        assert pool.map(square, range(3)) == threads.map(square, range(3)) == [0, 1, 4]
        assert len(pool._pool) == len(threads._pool) == centimane.multiprocessing.cpu_count()


def test_a_pool_in_a_worker(processes: Pool) -> None:
    def nested(n: int) -> int:
        with ThreadPool(2) as threads, Pool(1) as inner:
            return sum(inner.map(square, threads.map(square, range(n))))

    assert processes.map(nested, [3, 4]) == [17, 98]


# ---- exceptions


def test_an_exception_of_a_call(pool: AnyPool) -> None:
    result = pool.apply_async(fail_at_three, (3,))
    for _ in range(2):
        with pytest.raises(KeyError):
            result.get()
    assert not result.successful()
    if not isinstance(pool, ThreadPool):
        with pytest.raises(KeyError) as caught:
            result.get()
        cause = caught.value.__cause__
        assert isinstance(cause, multiprocessing.pool.RemoteTraceback)
        assert "raise KeyError(x)" in str(cause)
    with pytest.raises(KeyError):
        pool.map(fail_at_three, range(10))
    results = pool.imap(fail_at_three, range(5))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)
    assert list(results) == [4]


def test_a_map_ends_when_all_its_calls_have() -> None:
    waits = threading.Event()
    with ThreadPool(2) as threads:
        result = threads.map_async(lambda n: waits.wait(300) if n else [][0], [0, 1])
        result.wait(0.05)
        assert not result.ready()
        waits.set()
        with pytest.raises(IndexError):
            result.get()


def broken_after(n: int) -> Iterator[int]:
    yield from range(n)
    raise LookupError("no more")


class BrokenSequence:
    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[int]:
        return broken_after(1)


def test_an_iterable_that_raises(pool: AnyPool) -> None:
    with pytest.raises(LookupError, match="no more"):
        pool.map(square, broken_after(2))
    with pytest.raises(LookupError, match="no more"):
        pool.map(square, BrokenSequence())  # type: ignore[arg-type]
    results = pool.imap(square, broken_after(2))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(LookupError, match="no more"):
        next(results)
    assert list(results) == []
    with pytest.raises(LookupError, match="no more"):
        list(pool.imap_unordered(square, broken_after(2)))


class Unpicklable:
    def __reduce__(self) -> Any:
        raise RuntimeError("it stays here")


def test_what_cannot_be_pickled(processes: Pool) -> None:
    with pytest.raises(RuntimeError, match="it stays here"):
        processes.map(square, [Unpicklable()] * 10)
    with pytest.raises(RuntimeError, match="it stays here"):
        processes.apply(square, (Unpicklable(),))
    with pytest.raises(TypeError):
        processes.apply(square, (threading.current_thread(),))
    with pytest.raises(multiprocessing.pool.MaybeEncodingError) as caught:
        processes.apply(make_bad)
    assert isinstance(caught.value, PayloadError)
    assert "ArithmeticError" in caught.value.exc
    with pytest.raises(NotImplementedError):
        processes.apply(square, (processes,))
    assert processes.apply(square, (3,)) == 9


# ---- results


def test_results(pool: AnyPool) -> None:
    result = pool.apply_async(square, (3,))
    assert isinstance(result, AsyncResult)
    assert result.get(300) == 9
    assert result.ready()
    assert result.successful()
    mapped = pool.map_async(square, range(3))
    assert isinstance(mapped, MapResult)
    assert isinstance(mapped, AsyncResult)
    mapped.wait()
    assert mapped.ready()
    assert mapped.get(timeout=0) == [0, 1, 4]


def test_timeouts(pool: AnyPool, tmp_path: Any) -> None:
    gate = str(tmp_path / "gate")

    def until_open(n: int) -> int:
        while not os.path.exists(gate):
            time.sleep(0.005)
        return n

    result = pool.apply_async(until_open, (1,))
    mapped = pool.map_async(until_open, range(3))
    ordered = pool.imap(until_open, range(3))
    unordered = pool.imap_unordered(until_open, range(3))
    watched = pool.apply_async(until_open, (4,), callback=print)
    assert isinstance(ordered, IMapIterator)
    assert isinstance(unordered, IMapIterator)
    for wait in (result.get, mapped.get, watched.get, ordered.next, unordered.next):
        with pytest.raises(multiprocessing.TimeoutError):
            wait(timeout=0.01)
        with pytest.raises(TimeoutError):
            wait(0)
    with pytest.raises(__builtins__["TimeoutError"]):
        ordered.next(-1)
    for not_ready in (result, mapped, watched):
        not_ready.wait(0)
        assert not not_ready.ready()
        with pytest.raises(ValueError, match="not ready"):
            not_ready.successful()
    open(gate, "w").close()
    assert result.get() == 1
    assert mapped.get() == [0, 1, 2]
    assert list(ordered) == [0, 1, 2]
    assert sorted(unordered) == [0, 1, 2]
    assert watched.get(300) == 4


def test_a_task_may_raise_a_timeout_error(pool: AnyPool) -> None:
    def late() -> None:
        raise __import__("builtins").TimeoutError("mine")

    with pytest.raises(__builtins__["TimeoutError"], match="mine"):
        pool.apply_async(late).get(300)


# ---- callbacks


def test_callbacks(pool: AnyPool) -> None:
    values: list[Any] = []
    threads: set[threading.Thread] = set()

    def note(value: Any) -> None:
        values.append(value)
        threads.add(threading.current_thread())

    results = [pool.apply_async(square, (n,), callback=note, error_callback=pytest.fail) for n in range(50)]
    for n, result in enumerate(results):
        assert result.get() == n * n
        assert n * n in values  # it was called before the result was ready
    pool.map_async(square, range(10), callback=note, error_callback=pytest.fail).wait()
    assert values[-1] == [n * n for n in range(10)]
    pool.starmap_async(add, [(1, 2)], None, note).wait()
    assert values[-1] == [3]
    pool.map_async(fail_at_three, range(10), callback=pytest.fail, error_callback=note).wait()
    assert isinstance(values[-1], KeyError)
    assert pool.apply_async(square, (2,), error_callback=pytest.fail).get() == 4
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_a_callback_that_raises_stalls_nothing(pool: AnyPool, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: reported.append(told.exc_type))

    def bad(_value: object) -> None:
        raise SystemError("in a callback")

    assert pool.apply_async(square, (3,), callback=bad).get() == 9
    assert pool.map_async(square, range(3), callback=bad).get() == [0, 1, 4]
    with pytest.raises(KeyError):
        pool.apply_async(fail_at_three, (3,), error_callback=bad).get()
    assert reported == [SystemError] * 3


def test_a_callback_may_use_its_pool(pool: AnyPool) -> None:
    done = threading.Event()

    def again(value: int) -> None:
        if value > 1000:
            done.set()
        else:
            pool.apply_async(square, (value + 1,), callback=again)
            assert pool.apply(square, (2,)) == 4

    pool.apply_async(square, (1,), callback=again)
    assert done.wait(300)


# ---- what is refused at the call


def test_bad_arguments() -> None:
    for kind in (Pool, ThreadPool):
        for processes in (0, -1, 5000):
            with pytest.raises(ValueError, match="Number of processes"):
                kind(processes)
        with pytest.raises(TypeError, match="initializer must be a callable"):
            kind(1, initializer=1)  # type: ignore[arg-type]
    for limit in (0, -1, 0.5, "12"):
        with pytest.raises(ValueError, match="maxtasksperchild"):
            Pool(1, maxtasksperchild=limit)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="context must be"):
        Pool(1, context=3)  # type: ignore[arg-type]


def test_bad_chunk_sizes(pool: AnyPool) -> None:
    for call in (pool.map, pool.starmap, pool.map_async, pool.imap, pool.imap_unordered):
        for size in (0, -3):
            with pytest.raises(ValueError, match="Chunksize must be"):
                call(square, [(1,)], size)


# ---- the module


def test_everything_else_is_the_standard_librarys() -> None:
    ours = centimane.multiprocessing
    assert ours.ProcessError is multiprocessing.ProcessError
    assert ours.current_process() is multiprocessing.current_process()
    assert centimane.multiprocessing.dummy.Pool is ThreadPool is centimane.multiprocessing.pool.ThreadPool
    assert issubclass(ours.TimeoutError, multiprocessing.TimeoutError)
    assert ours.shared_memory.SharedMemory
    with pytest.raises(AttributeError):
        ours.no_such_name  # noqa: B018
    assert ours.cpu_count() >= 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_contexts(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "mark_of_this_process", 1, raising=False)
    context = centimane.multiprocessing.get_context(method)
    assert isinstance(context, type(multiprocessing.get_context(method)))
    for made in (context.Pool(1), Pool(1, context=multiprocessing.get_context(method))):
        with made as pool:
            assert isinstance(pool, Pool)
            assert pool.apply(lambda: hasattr(sys, "mark_of_this_process")) == (method == "fork")
        pool.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_locks_and_queues_in_initargs_are_inherited(kind: str) -> None:
    """A Queue is fed by a thread of the worker's, which goes on while the worker is idle."""
    queue: Any = getattr(multiprocessing, kind)()

    def put(n: int) -> None:
        lock, its = remembered()
        with lock:
            its.put(n)

    with Pool(2, remember, ((multiprocessing.Lock(), queue),)) as pool:
        pool.map(put, range(10))
        assert sorted(queue.get() for _ in range(10)) == list(range(10))
    pool.join()
    queue.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_workers_own_processes_and_name() -> None:
    for method in (None, "fork"):
        with centimane.multiprocessing.get_context(method).Pool(1) as pool:
            name, children = pool.apply(
                lambda: (multiprocessing.current_process().name, multiprocessing.active_children())
            )
        pool.join()
        assert name.startswith("PoolWorker-")
        assert children == []


def test_initializers(tmp_path: Any) -> None:
    for kind in (Pool, ThreadPool):
        with kind(2, remember, (5,)) as pool:
            assert pool.apply(remembered) == 5
        pool.join()
        pool = kind(1, os.mkdir, (str(tmp_path / kind.__name__),))
        pool.close()
        pool.join()
        assert (tmp_path / kind.__name__).is_dir()


def test_an_initializer_that_raises_hangs_nothing() -> None:
    for kind in (Pool, ThreadPool):
        with kind(1, always_fails) as pool:
            with pytest.raises(StartFailed):
                pool.apply(square, (1,))
            with pytest.raises(StartFailed):
                pool.map(square, range(10))
            with pytest.raises(StartFailed):
                next(pool.imap(square, range(3)))
        pool.join()
