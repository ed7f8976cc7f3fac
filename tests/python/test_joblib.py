"""joblib's Parallel on the backend "centimane": what it promises, with workers that all tests of this file share.

tests/python/test_joblib_pools.py has what goes wrong, and what needs workers of its own.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
from joblib import Parallel, delayed, parallel_config
from joblib.parallel import get_active_backend

import centimane.joblib

VERSION = tuple(int(part) for part in joblib.__version__.split(".")[:2])


@pytest.fixture(scope="module", autouse=True)
def shared_workers() -> Iterator[None]:
    centimane.joblib.register()
    Parallel(n_jobs=2, backend="centimane", batch_size=1)(delayed(abs)(n) for n in range(20))
    yield
    centimane.joblib.shutdown()


@pytest.fixture(autouse=True)
def configured(shared_workers: None) -> Iterator[None]:
    with parallel_config(backend="centimane", n_jobs=2):
        yield


def square(x: int) -> int:
    return x * x


def who(_: int) -> int:
    return os.getpid()


class Special(Exception):
    """An exception with more than a text."""

    def __init__(self, number: int) -> None:
        super().__init__(f"number {number}")
        self.number = number

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return Special, (self.number,)


def refuse(x: int) -> int:
    if x == 7:
        raise Special(x)
    return x


@pytest.mark.parametrize("batch_size", ["auto", 1, 7])
@pytest.mark.parametrize("pre_dispatch", ["2 * n_jobs", "all", 3])
def test_results_in_order(batch_size: str | int, pre_dispatch: str | int) -> None:
    parallel = Parallel(batch_size=batch_size, pre_dispatch=pre_dispatch)
    assert parallel(delayed(square)(n) for n in range(200)) == [n * n for n in range(200)]


def test_it_runs_in_worker_processes() -> None:
    pids = set(Parallel(batch_size=1)(delayed(who)(n) for n in range(20)))
    assert os.getpid() not in pids
    assert len(pids) <= 2


def test_no_tasks() -> None:
    assert Parallel()(iter(())) == []


def test_generators() -> None:
    ordered = Parallel(return_as="generator")(delayed(square)(n) for n in range(50))
    assert next(ordered) == 0
    assert list(ordered) == [n * n for n in range(1, 50)]


@pytest.mark.skipif(VERSION < (1, 4), reason="since joblib 1.4")
def test_generators_without_order() -> None:
    unordered = Parallel(return_as="generator_unordered")(delayed(square)(n) for n in range(50))
    assert sorted(unordered) == [n * n for n in range(50)]


def test_a_managed_parallel_serves_many_calls() -> None:
    with Parallel() as parallel:
        for round_ in range(5):
            assert parallel(delayed(square)(n) for n in range(round_)) == [n * n for n in range(round_)]


def test_functions_that_workers_cannot_import() -> None:
    factor = 3

    def scaled(x: int) -> int:
        return square(x) * factor

    calls = [delayed(scaled)(2), delayed(lambda x, *, y: x + y)(2, y=5), delayed(square)(4)]
    assert Parallel(batch_size=3)(calls) == [12, 7, 16]
    factor = 5
    assert Parallel()(delayed(scaled)(n) for n in (1, 2)) == [5, 20]


def test_what_is_lambda_inside_of_arguments() -> None:
    def apply(function: Callable[[int], int], x: int) -> int:
        return function(x)

    assert Parallel()(delayed(apply)(lambda v, n=n: v + n, n) for n in range(5)) == [0, 2, 4, 6, 8]


def test_an_exception_comes_as_itself_and_the_next_call_works() -> None:
    with pytest.raises(Special, match="number 7") as caught:
        Parallel(batch_size=1)(delayed(refuse)(n) for n in range(100))
    assert caught.value.number == 7
    assert "in refuse" in str(caught.value.__cause__)
    assert Parallel()(delayed(refuse)(n) for n in range(7)) == list(range(7))


def test_an_exception_ends_a_generator() -> None:
    seen: list[int] = []
    with pytest.raises(Special):
        seen.extend(Parallel(return_as="generator", batch_size=1)(delayed(refuse)(n) for n in range(100)))
    assert seen == list(range(len(seen)))
    assert len(seen) <= 7


def test_what_cannot_be_pickled_is_said() -> None:
    with pytest.raises((TypeError, ValueError), match="pickle"):
        Parallel()(delayed(square)(threading.Lock()) for _ in range(3))
    with pytest.raises((TypeError, ValueError), match="pickle"):
        Parallel()(delayed(threading.Lock)() for _ in range(3))
    assert Parallel()(delayed(square)(n) for n in range(3)) == [0, 1, 4]


@pytest.mark.skipif(VERSION < (1, 4), reason="joblib 1.3 logs it and goes on")
def test_the_tasks_iterable_may_raise() -> None:
    def tasks() -> Iterator[Any]:
        for n in range(10):
            yield delayed(square)(n)
        raise Special(10)

    with pytest.raises(Special, match="number 10"):
        Parallel(batch_size=1)(tasks())


def nested(level: int) -> list[tuple[str, int | None]]:
    backend, _ = get_active_backend()
    here = (type(backend).__name__, backend.nesting_level)
    if level == 0:
        return [here]
    return [here, *Parallel(n_jobs=2)(delayed(nested)(level - 1) for _ in range(2))[0]]


def test_nested_calls_are_threads_and_then_in_order() -> None:
    levels = Parallel(batch_size=1)(delayed(nested)(2) for _ in range(2))
    assert levels == [[("ThreadingBackend", 1), ("SequentialBackend", 2), ("SequentialBackend", 2)]] * 2


def test_one_job_stays_here() -> None:
    assert Parallel(n_jobs=1)(delayed(who)(n) for n in range(3)) == [os.getpid()] * 3


def test_numbers_of_jobs() -> None:
    processors = joblib.cpu_count()
    assert [joblib.effective_n_jobs(jobs) for jobs in (5, -1, -2, -100)] == [5, processors, max(processors - 1, 1), 1]


def test_no_jobs_have_no_meaning() -> None:
    with pytest.raises(ValueError, match="n_jobs == 0"):
        Parallel(n_jobs=0)(delayed(square)(n) for n in range(3))


def test_shared_memory_means_threads() -> None:
    assert set(Parallel(require="sharedmem")(delayed(who)(n) for n in range(3))) == {os.getpid()}


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"idle_worker_timeout": 0}, ValueError, "idle_worker_timeout"),
        ({"idle_worker_timeout": "long"}, TypeError, "idle_worker_timeout"),
        ({"inner_max_num_threads": 0}, ValueError, "inner_max_num_threads"),
        ({"no_such_option": 1}, TypeError, "no_such_option"),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text), parallel_config(backend="centimane", n_jobs=2, **options):
        Parallel()(delayed(square)(n) for n in range(3))


def test_what_joblib_tells_about_memory_maps_is_taken() -> None:
    parallel = Parallel(max_nbytes="10K", mmap_mode="r+", temp_folder="/nowhere", verbose=0)
    assert parallel(delayed(square)(n) for n in range(3)) == [0, 1, 4]


@pytest.mark.skipif(VERSION < (1, 5), reason="since joblib 1.5")
def test_unknown_options_of_a_call() -> None:
    with pytest.raises(TypeError, match="no option wrong; it has idle_worker_timeout"):
        Parallel(wrong=1)(delayed(square)(n) for n in range(3))


def test_workers_stay_for_the_next_call() -> None:
    first = set(Parallel(batch_size=1)(delayed(who)(n) for n in range(20)))
    second = set(Parallel(batch_size=1)(delayed(who)(n) for n in range(20)))
    assert len(first | second) <= 2


def test_workers_follow_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CENTIMANE_TEST_WORD", "hello")

    def look() -> tuple[str, str | None]:
        return os.getcwd(), os.environ.get("CENTIMANE_TEST_WORD")

    assert set(Parallel(batch_size=1)(delayed(look)() for _ in range(8))) == {(str(tmp_path), "hello")}
    monkeypatch.delenv("CENTIMANE_TEST_WORD")
    assert {word for _, word in Parallel(batch_size=1)(delayed(look)() for _ in range(8))} == {None}


def test_calls_on_several_threads() -> None:
    results: dict[int, list[int]] = {}

    def call(offset: int) -> None:
        with parallel_config(backend="centimane", n_jobs=2):  # joblib's configuration is a thread's own
            results[offset] = Parallel(batch_size=3)(delayed(square)(offset + n) for n in range(100))

    threads = [threading.Thread(target=call, args=(offset,)) for offset in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {offset: [(offset + n) ** 2 for n in range(100)] for offset in (0, 1000, 2000)}


def test_other_callables_than_batches() -> None:
    backend = get_active_backend()[0]
    with Parallel() as parallel:
        assert parallel._backend is backend
        told: list[object] = []
        future = backend.submit(os.getpid, told.append)
        assert backend.retrieve_result_callback(future) != os.getpid()
    with pytest.raises(RuntimeError, match="its call has ended"):
        backend.submit(os.getpid)


def test_registering_again_changes_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        centimane.joblib.register()
    assert Parallel()(delayed(square)(n) for n in range(3)) == [0, 1, 4]
