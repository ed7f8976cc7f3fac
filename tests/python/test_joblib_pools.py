"""joblib's Parallel on the backend "centimane": dead and hung workers, calls that are given up, large arrays, workers kept and ended.

Each test has workers of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import joblib
import pytest
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import get_active_backend
from joblib_tasks import die_or_square, environment, hang_but_one, inside, meet, say_and_hang, square, until

import centimane
import centimane.joblib
from centimane import _warm_executors


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    centimane.joblib.register()
    with parallel_config(backend="centimane", n_jobs=2):
        yield
    centimane.joblib.shutdown()


TimeoutErrors = joblib.parallel.TimeoutError


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_dead_worker_fails_its_call_and_no_other(how: str) -> None:
    with pytest.raises(centimane.WorkerDied) as caught:
        Parallel(batch_size=1)(delayed(die_or_square)(n, how) for n in range(20))
    assert isinstance(caught.value, BrokenProcessPool)
    assert isinstance(caught.value, TerminatedWorkerError)
    assert ("code 7" if how == "exit" else "SIGKILL") in str(caught.value)
    assert Parallel()(delayed(square)(n) for n in range(20)) == [n * n for n in range(20)]


def test_timeout_stops_what_hangs(tmp_path: Path) -> None:
    with pytest.raises(TimeoutErrors):
        Parallel(timeout=0.2)(delayed(say_and_hang)(tmp_path / str(n)) for n in range(2))
    assert Parallel(timeout=300)(delayed(square)(n) for n in range(20)) == [n * n for n in range(20)]


def test_timeout_of_a_generator(tmp_path: Path) -> None:
    calls = [delayed(square)(2), delayed(say_and_hang)(tmp_path / "begun")]
    results = Parallel(timeout=0.2, batch_size=1, return_as="generator")(calls)
    with pytest.raises(TimeoutErrors):
        list(results)


def test_a_failure_stops_what_runs(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="as asked"):
        Parallel(batch_size=1)(delayed(hang_but_one)(tmp_path, n) for n in range(2))
    # Both workers are free again, or this call would wait for ten minutes.
    with Parallel(batch_size=1) as parallel:
        assert parallel(delayed(meet)(tmp_path, n) for n in range(2)) == [0, 1]


def test_a_failure_leaves_calls_of_other_threads_alone(tmp_path: Path) -> None:
    environment = get_active_backend()[0]._prepare_worker_env(n_jobs=2)
    warm, _ = _warm_executors.take(2, environment, 300.0)
    bystander = warm.submit(meet, tmp_path, 0)
    until((tmp_path / "met 0").exists)
    with pytest.raises(centimane.WorkerDied):
        Parallel(batch_size=1)(delayed(die_or_square)(n, "exit") for n in range(20))
    assert _warm_executors._kept == [warm]
    (tmp_path / "met 1").touch()
    assert bystander.result() == 0
    _warm_executors.give_back(warm)


def test_a_generator_that_is_dropped_stops_its_tasks(tmp_path: Path) -> None:
    calls = [delayed(square)(2), delayed(say_and_hang)(tmp_path / "begun")]
    results = Parallel(batch_size=1, return_as="generator")(calls)
    assert next(results) == 4
    until((tmp_path / "begun").exists)
    with pytest.warns(UserWarning, match="still being processed by the workers have been cancelled"):
        results.close()
    with Parallel(batch_size=1) as parallel:
        assert parallel(delayed(meet)(tmp_path, n) for n in range(2)) == [0, 1]


def test_a_call_among_the_tasks_of_another() -> None:
    def tasks() -> Iterator[Any]:
        for n in range(12):
            # Here the outer call's lock is held; beyond the first few this runs on its thread for callbacks.
            with parallel_config(backend="centimane", n_jobs=2):
                inner = Parallel()(delayed(square)(n + k) for k in range(2))
            yield delayed(sum)(inner)

    assert Parallel(batch_size=1)(tasks()) == [n * n + (n + 1) ** 2 for n in range(12)]


def test_nested_calls_may_have_workers_of_their_own() -> None:
    assert Parallel(batch_size=1)(delayed(inside)(x) for x in (1, 2)) == [[1, 4, 9], [4, 9, 16]]


def test_threads_inside_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    fair = str(max(joblib.cpu_count() // 2, 1))
    assert set(Parallel()(delayed(environment)() for _ in range(4))) == {(fair, "3")}
    with parallel_config(backend="centimane", n_jobs=2, inner_max_num_threads=5):
        assert set(Parallel()(delayed(environment)() for _ in range(4))) == {("5", "5")}
        # What this process sets later does not undo it.
        monkeypatch.setenv("OMP_NUM_THREADS", "9")
        assert set(Parallel()(delayed(environment)() for _ in range(4))) == {("5", "5")}


def used(workers: int, idle_seconds: float = 300.0) -> _warm_executors.Warm:
    """An executor that has had a task, and is kept."""
    warm, _ = _warm_executors.take(workers, {}, idle_seconds)
    assert warm.submit(abs, -1).result() == 1
    _warm_executors.give_back(warm)
    return warm


def test_few_configurations_are_kept() -> None:
    first, second, third = (used(workers) for workers in (1, 2, 3))
    assert _warm_executors._kept == [second, third]
    assert used(2) is second
    assert _warm_executors._kept == [third, second]
    with pytest.raises(RuntimeError, match="after shutdown"):
        first.submit(abs, -1)
    centimane.joblib.shutdown()
    assert _warm_executors._kept == []
    assert used(2) is not second


def test_shutdown_while_a_call_runs() -> None:
    results = Parallel(batch_size=1, pre_dispatch="all", return_as="generator")(delayed(square)(n) for n in range(50))
    assert next(results) == 0
    centimane.joblib.shutdown()
    assert list(results) == [n * n for n in range(1, 50)]


def test_idle_workers_leave() -> None:
    warm = used(2, idle_seconds=0.05)
    until(lambda: not warm.executor._processes)
    assert used(2, idle_seconds=0.05) is warm


def test_the_idle_timeout_is_passed_on() -> None:
    with parallel_config(backend="centimane", n_jobs=2, idle_worker_timeout=41):
        Parallel()(delayed(square)(n) for n in range(3))
    assert [warm.key[2] for warm in _warm_executors._kept] == [41]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_has_workers_of_its_own() -> None:
    assert Parallel()(delayed(square)(n) for n in range(3)) == [0, 1, 4]
    pid = os.fork()
    if pid == 0:
        try:
            right = Parallel()(delayed(square)(n) for n in range(3)) == [0, 1, 4]
            centimane.joblib.shutdown()
            os._exit(0 if right else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Parallel()(delayed(square)(n) for n in range(3)) == [0, 1, 4]


def test_large_arrays_travel_by_the_arena() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(300_000, dtype="float64")

    def work(part: Any, n: int) -> tuple[str, bool, Any]:
        kind = type(part).__name__
        writable = bool(part.flags.writeable)
        part[0] = n  # its own: neither this process nor another task sees it
        return kind, writable, part

    results = Parallel(batch_size=1)(delayed(work)(array, n + 1) for n in range(6))
    assert [(kind, writable) for kind, writable, _ in results] == [("ndarray", True)] * 6
    assert [part[0] for *_, part in results] == [1, 2, 3, 4, 5, 6]
    assert all((part[1:] == array[1:]).all() for *_, part in results)
    assert array[0] == 0


def test_a_program_without_a_guard_and_as_the_default(script: Callable[..., Any]) -> None:
    done = script("""
        import os
        import centimane.joblib
        from joblib import Parallel, delayed
        from joblib.parallel import DEFAULT_BACKEND

        centimane.joblib.register(make_default=True)

        class Point:
            def __init__(self, x):
                self.x = x

        def moved(point):
            assert type(point) is Point
            return Point(point.x + 1), os.getpid()

        results = Parallel(n_jobs=2)(delayed(moved)(Point(n)) for n in range(4))
        print([point.x for point, _ in results], all(type(point) is Point for point, _ in results))
        print(os.getpid() in {pid for _, pid in results})
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[1, 2, 3, 4] True\nFalse\n"
    assert done.stderr == ""


def test_without_joblib(script: Callable[..., Any]) -> None:
    done = script("""
        import sys
        sys.modules["joblib"] = None
        import centimane.joblib
        centimane.joblib.shutdown()
        try:
            centimane.joblib.register()
        except ImportError as error:
            print(error)
    """)
    assert "needs joblib 1.3 or later" in done.stdout, done.stderr
