"""centimane.futures.ProcessPoolExecutor: the contract of concurrent.futures, and what goes beyond it."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import threading
from collections.abc import Iterator

import pytest

from centimane import PayloadError
from centimane.futures import BrokenProcessPool, Future, ProcessPoolExecutor, as_completed, wait


@pytest.fixture
def executor() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2) as made:
        yield made


def square(x: int) -> int:
    return x * x


def echo(*args: object, **kwargs: object) -> object:
    return args, kwargs


def fail(text: str) -> None:
    raise KeyError(text)


class Unsendable:
    def __reduce__(self) -> object:
        raise TypeError("not me")


def make_unsendable() -> Unsendable:
    return Unsendable()


class StrangeError(Exception):
    """Its pickle cannot be read again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raise_strange() -> None:
    raise StrangeError(1, 2)


def test_submit(executor: ProcessPoolExecutor) -> None:
    future = executor.submit(square, 7)
    assert isinstance(future, concurrent.futures.Future)
    assert isinstance(future, Future)
    assert future.result() == 49
    assert future.done()
    assert not future.cancelled()
    assert not future.running()
    assert future.exception() is None
    assert not future.cancel()


def test_keywords_are_the_tasks_own(executor: ProcessPoolExecutor) -> None:
    told = {"fn": 1, "self": 2, "timeout": 3, "args": 4}
    assert executor.submit(echo, 0, **told).result() == ((0,), told)
    assert executor.with_options(timeout=60).submit(echo, 0, **told).result() == ((0,), told)


def test_submit_needs_a_function(executor: ProcessPoolExecutor) -> None:
    with pytest.raises(TypeError, match="function"):
        executor.submit()  # type: ignore[call-arg]


def test_functions_by_value(executor: ProcessPoolExecutor) -> None:
    offset = 5
    assert executor.submit(lambda x: x + offset, 1).result() == 6
    assert [executor.submit(lambda x=i: x).result() for i in range(5)] == [0, 1, 2, 3, 4]


def test_a_rebound_global_is_seen(executor: ProcessPoolExecutor) -> None:
    cell = 1

    def look() -> int:
        return cell

    answers = []
    for value in (1, 1, 1, 2, 2, 3):
        cell = value
        answers.append(executor.submit(look).result())
    assert answers == [1, 1, 1, 2, 2, 3]


def test_a_bound_method_is_as_its_object_is_now(executor: ProcessPoolExecutor) -> None:
    values = [3]
    assert executor.submit(values.count, 3).result() == 1
    values.append(3)
    assert executor.submit(values.count, 3).result() == 2


def test_what_a_task_raises(executor: ProcessPoolExecutor) -> None:
    future = executor.submit(fail, "gone")
    with pytest.raises(KeyError, match="gone") as caught:
        future.result()
    assert "fail" in str(caught.value.__cause__)
    assert future.exception() is caught.value


def test_an_exception_that_cannot_travel(executor: ProcessPoolExecutor) -> None:
    error = executor.submit(raise_strange).exception()
    assert "1 and 2" in str(error)
    assert executor.submit(square, 2).result() == 4


@pytest.mark.parametrize("which", ["function", "argument", "result"])
def test_what_cannot_be_pickled_fails_alone(executor: ProcessPoolExecutor, which: str) -> None:
    bad = Unsendable()
    if which == "function":
        future = executor.submit(lambda: bad)
    elif which == "argument":
        future = executor.submit(echo, bad)
    else:
        future = executor.submit(make_unsendable)
    error = future.exception()
    assert isinstance(error, PayloadError)
    assert executor.submit(square, 2).result() == 4


@pytest.mark.parametrize("chunksize", [1, 3, 100])
def test_map(executor: ProcessPoolExecutor, chunksize: int) -> None:
    assert list(executor.map(pow, range(10), range(10), chunksize=chunksize)) == [n**n for n in range(10)]
    with pytest.raises(KeyError):
        list(executor.map(fail, ["a"], chunksize=chunksize))


def test_map_is_eager_unless_told_how_far(executor: ProcessPoolExecutor) -> None:
    pulled: list[int] = []

    def numbers() -> Iterator[int]:
        for n in range(10):
            pulled.append(n)
            yield n

    eager = executor.map(square, numbers())
    assert pulled == list(range(10))
    assert list(eager) == [n * n for n in range(10)]
    pulled.clear()
    bounded = executor.map(square, numbers(), buffersize=3)
    assert pulled == [0, 1, 2]
    assert next(bounded) == 0
    assert pulled == [0, 1, 2, 3]
    assert list(bounded) == [n * n for n in range(1, 10)]


@pytest.mark.parametrize(
    ("options", "error"),
    [({"chunksize": 0}, ValueError), ({"buffersize": 0}, ValueError), ({"buffersize": 1.5}, TypeError)],
)
def test_bad_options_of_map(executor: ProcessPoolExecutor, options: dict[str, int], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        executor.map(square, [1], **options)


def test_map_times_out(executor: ProcessPoolExecutor) -> None:
    results = executor.map(_sleep, [600.0], timeout=0)
    try:
        with pytest.raises(TimeoutError):
            next(results)
    finally:
        executor.kill_workers()


def _sleep(seconds: float) -> None:
    import time

    time.sleep(seconds)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_workers": 0}, ValueError),
        ({"max_workers": 5000}, ValueError),
        ({"initializer": 3}, TypeError),
        ({"max_tasks_per_child": 0}, ValueError),
        ({"max_tasks_per_child": 1.5}, TypeError),
        ({"on_worker_death": "ignore"}, ValueError),
        ({"max_tasks_per_child": 1, "mp_context": multiprocessing.get_context("fork")}, ValueError),
    ],
)
def test_bad_options(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        ProcessPoolExecutor(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("timeout", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError), (float("nan"), ValueError)]
)
def test_bad_task_timeouts(executor: ProcessPoolExecutor, timeout: float, error: type[Exception]) -> None:
    with pytest.raises(error, match="timeout"):
        executor.with_options(timeout=timeout)


def set_mark(value: str) -> None:
    os.environ["CENTIMANE_TEST_INITIALIZED"] = value


def read_mark() -> str | None:
    return os.environ.get("CENTIMANE_TEST_INITIALIZED")


@pytest.mark.parametrize("method", [None, "fork", "spawn", "forkserver"])
def test_contexts_and_initializers(method: str | None) -> None:
    context = None if method is None else multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context, initializer=set_mark, initargs=("yes",)) as executor:
        assert executor.submit(read_mark).result() == "yes"
        assert executor.submit(os.getpid).result() != os.getpid()
    assert read_mark() is None


def test_an_initializer_that_raises_breaks_the_executor() -> None:
    with ProcessPoolExecutor(1, initializer=fail, initargs=("never",)) as executor:
        with pytest.raises(BrokenProcessPool, match="never"):
            executor.submit(square, 1).result()
        with pytest.raises(BrokenProcessPool):
            executor.submit(square, 1)


def test_workers_are_replaced() -> None:
    with ProcessPoolExecutor(1, max_tasks_per_child=3) as executor:
        pids = [executor.submit(os.getpid).result() for _ in range(9)]
    assert len(set(pids)) == 3
    assert pids[0] == pids[1] == pids[2]


def test_large_arrays_travel(executor: ProcessPoolExecutor) -> None:
    numpy = pytest.importorskip("numpy")
    given = numpy.arange(1 << 18)
    futures = [executor.submit(lambda array, k: array + k, given, k) for k in range(10)]
    for k, future in enumerate(futures):
        assert (future.result() == given + k).all()


def test_as_completed_and_wait_of_the_standard_library(executor: ProcessPoolExecutor) -> None:
    futures = [executor.submit(square, n) for n in range(500)]
    assert sorted(future.result() for future in as_completed(futures)) == [n * n for n in range(500)]
    futures = [executor.submit(square, n) for n in range(500)]
    done, left = wait(futures)
    assert (len(done), len(left)) == (500, 0)
    first = wait([executor.submit(square, 1), executor.submit(fail, "x")], return_when="FIRST_EXCEPTION")
    assert first.done


def test_a_hundred_thousand_futures(executor: ProcessPoolExecutor) -> None:
    futures = [executor.submit(square, n) for n in range(100_000)]
    assert sum(future.result() for future in futures) == sum(n * n for n in range(100_000))


def test_many_threads_submit_and_wait(executor: ProcessPoolExecutor) -> None:
    sums: list[int] = []

    def work(k: int) -> None:
        sums.append(sum(executor.submit(square, n).result() for n in range(k, k + 100)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sums) == sorted(sum(n * n for n in range(k, k + 100)) for k in range(8))


def submit_to(executor: object) -> str:
    return type(executor).__name__


def test_an_executor_does_not_travel(executor: ProcessPoolExecutor) -> None:
    assert isinstance(executor.submit(submit_to, executor).exception(), (TypeError, PayloadError))
