"""Pools whose workers die, are replaced, or that end in any of the ways in which a pool can end."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pool_tasks import end_at_three, say_and_sleep, square

from centimane import Cancelled, PoolForked, WorkerDied
from centimane.futures import BrokenProcessPool
from centimane.multiprocessing import Pool, ThreadPool


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made
    made.join()


def until(path: Path) -> None:
    while not path.exists():
        time.sleep(0.001)


# ---- deaths


def test_a_death_in_apply_async(pool: Pool) -> None:
    told: list[BaseException] = []
    before = [pool.apply_async(square, (n,)) for n in range(20)]
    victim = pool.apply_async(end_at_three, (3,), error_callback=told.append)
    after = [pool.apply_async(square, (n,)) for n in range(20)]
    with pytest.raises(WorkerDied) as caught:
        victim.get()
    assert caught.value.signal == signal.SIGKILL
    assert isinstance(caught.value, BrokenProcessPool)
    assert told == [caught.value]
    assert [result.get() for result in before + after] == [n * n for n in range(20)] * 2


@pytest.mark.parametrize("chunksize", [None, 1, 5])
def test_a_death_in_map(pool: Pool, chunksize: int | None) -> None:
    with pytest.raises(WorkerDied):
        pool.map(end_at_three, range(50), chunksize)
    assert pool.map(square, range(50), chunksize) == [n * n for n in range(50)]


def test_a_death_in_imap(pool: Pool) -> None:
    results = pool.imap(end_at_three, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(WorkerDied):
        next(results)
    assert list(results) == [4, 5, 6, 7, 8, 9]


def test_a_death_in_imap_unordered(pool: Pool) -> None:
    values, errors = [], []
    results = pool.imap_unordered(end_at_three, range(10))
    while True:
        try:
            values.append(next(results))
        except StopIteration:
            break
        except WorkerDied as error:
            errors.append(error)
    assert sorted(values) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert len(errors) == 1


def test_killed_from_outside(pool: Pool, tmp_path: Path) -> None:
    victim = pool.apply_async(say_and_sleep, (str(tmp_path / "begun"),))
    until(tmp_path / "begun")
    for worker in pool._pool:
        worker.kill()
    with pytest.raises(WorkerDied):
        victim.get()
    assert pool.map(square, range(10)) == [n * n for n in range(10)]


def test_a_task_that_exits(pool: Pool) -> None:
    with pytest.raises(WorkerDied):
        pool.apply(os._exit, (3,))
    with pytest.raises(SystemExit):
        pool.apply(sys.exit, (3,))
    assert pool.apply(square, (3,)) == 9


# ---- recycling


@pytest.mark.parametrize("chunksize", [1, 4])
def test_workers_are_replaced(chunksize: int) -> None:
    with Pool(2, maxtasksperchild=3) as pool:
        pids = pool.map(lambda _: os.getpid(), range(12 * chunksize), chunksize)
        assert len(set(pids)) >= 4
        assert max(len(set(part)) for part in zip(*[iter(pids)] * chunksize, strict=True)) == 1
    pool.join()


def test_recycling_with_close_before_the_end() -> None:
    pool = Pool(2, maxtasksperchild=1)
    results = [pool.apply_async(abs, (-n,)) for n in range(6)]
    pool.close()
    pool.join()
    assert [result.get(0) for result in results] == list(range(6))


# ---- the end


@pytest.mark.parametrize("kind", [Pool, ThreadPool])
def test_close_and_join(kind: type[Pool]) -> None:
    pool = kind(2)
    told: list[object] = []
    results = [pool.apply_async(square, (n,), callback=told.append) for n in range(200)]
    lazily = pool.imap(square, (n for n in range(3000)))
    at_will = pool.imap_unordered(square, (n for n in range(3000)))
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    pool.close()
    for refused in (pool.apply, pool.apply_async, pool.map, pool.map_async, pool.imap, pool.imap_unordered):
        with pytest.raises(ValueError, match="Pool not running"):
            refused(square, (1,))
    with pytest.raises(ValueError, match="Pool not running"), pool:
        pass
    pool.join()
    assert sorted(told) == [n * n for n in range(200)]  # type: ignore[type-var]
    assert [result.get(0) for result in results] == [n * n for n in range(200)]
    assert list(lazily) == sorted(at_will) == [n * n for n in range(3000)]
    pool.close()
    pool.terminate()
    pool.join()


def test_terminate(tmp_path: Path) -> None:
    pool = Pool(2)
    told: list[object] = []
    running = pool.apply_async(say_and_sleep, (str(tmp_path / "begun"),), error_callback=told.append)
    until(tmp_path / "begun")
    waiting = pool.map_async(time.sleep, [600] * 1000, 1)
    endless = pool.imap(time.sleep, itertools.repeat(600))
    unordered = pool.imap_unordered(time.sleep, itertools.repeat(600))
    pool.terminate()
    pool.join()
    for result in (running, waiting):
        with pytest.raises(Cancelled):
            result.get()
    for results in (endless, unordered):
        with pytest.raises(Cancelled):
            next(results)
    assert told == []
    assert repr(pool) == "<centimane.multiprocessing.pool.Pool state=TERMINATE pool_size=2>"


def test_terminate_of_a_task_that_does_not_want_to_end(tmp_path: Path) -> None:
    def stubborn(path: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say_and_sleep(path)

    pool = Pool(1)
    result = pool.apply_async(stubborn, (str(tmp_path / "begun"),))
    until(tmp_path / "begun")
    pool.terminate()
    with pytest.raises(Cancelled):
        result.get(0)


def test_terminate_of_threads() -> None:
    gate = threading.Event()
    begun = threading.Event()
    pool = ThreadPool(1)
    running = pool.apply_async(lambda: begun.set() or gate.wait(300))
    waiting = [pool.apply_async(square, (n,)) for n in range(10)]
    assert begun.wait(300)
    pool.terminate()
    for result in waiting:
        with pytest.raises(Cancelled):
            result.get()
    gate.set()
    pool.join()
    assert running.get() is True


def test_endless_iterables(pool: Pool) -> None:
    results = pool.imap(abs, itertools.count())
    assert list(itertools.islice(results, 5000)) == list(range(5000))
    pool.terminate()
    with pytest.raises(Cancelled):
        list(results)


def test_iterables_are_taken_from_a_bounded_way_ahead(pool: Pool, tmp_path: Path) -> None:
    taken = itertools.count()
    results = pool.imap(lambda _: say_and_sleep(str(tmp_path / "begun")), taken)
    until(tmp_path / "begun")
    with pytest.raises(TimeoutError):
        results.next(0.01)  # type: ignore[union-attr]
    pool.terminate()
    assert next(taken) <= 2048 + 1


def test_large_items_are_not_taken_far_ahead(tmp_path: Path) -> None:
    taken = 0

    def images() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield bytes(8 << 20)

    gate = tmp_path / "gate"

    def wait(image: bytes) -> int:
        until(gate)
        return len(image)

    with ThreadPool(2) as pool:
        results = pool.imap(wait, images())
        late = pool.apply_async(gate.touch)
        late.wait(0.05)  # the feeder has had its time
        assert taken <= 10
        gate.touch()
        assert sum(results) == 800 << 20
    pool.join()


@pytest.mark.parametrize("kind", [Pool, ThreadPool])
def test_a_dropped_pool_finishes_and_goes(kind: type[Pool]) -> None:
    pool = kind(2)
    told: list[object] = []
    results = [pool.apply_async(square, (n,), callback=told.append) for n in range(50)]
    mapped, lazily = pool.map_async(square, range(50)), pool.imap(square, range(3000))
    threads = [*pool._crew._threads()]
    with pytest.warns(ResourceWarning, match="unclosed running multiprocessing pool"):
        del pool
    assert [result.get() for result in results] == mapped.get() == [n * n for n in range(50)]
    assert list(lazily) == [n * n for n in range(3000)]
    assert len(told) == 50
    for thread in threads:
        thread.join()
    for thread in threading.enumerate():
        if thread.name == "centimane-callbacks":
            thread.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_is_told(pool: Pool) -> None:
    result = pool.apply_async(square, (3,))
    pid = os.fork()
    if pid == 0:
        try:
            pool.apply(square, (1,))
        except PoolForked:
            os._exit(0)
        except BaseException:
            os._exit(2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert result.get() == 9


Script = Callable[..., Any]


@pytest.mark.parametrize("kind", ["Pool", "ThreadPool"])
@pytest.mark.parametrize("how", ["map", "busy", "endless", "callback"])
def test_the_interpreters_end(script: Script, kind: str, how: str) -> None:
    done = script(f"""
        import itertools, os, time
        from centimane.multiprocessing import {kind}
        pool = {kind}(2)
        print(pool.map(lambda n: n + 1, range(3)))
        if {how!r} == "busy":
            results = pool.map_async(time.sleep, [600] * 10, 1)
        elif {how!r} == "endless":
            results = pool.imap_unordered(abs, itertools.count())
            next(results)
        elif {how!r} == "callback":
            pool.apply_async(abs, (1,), callback=print).wait()
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[1, 2, 3]\n" + "1\n" * (how == "callback")
    assert "Traceback" not in done.stderr


def test_the_programs_of_tutorials(script: Script) -> None:
    done = script("""
        import centimane.multiprocessing as mp
        from centimane.multiprocessing import Pool
        from centimane.multiprocessing.pool import ThreadPool
        from centimane.multiprocessing.dummy import Pool as DummyPool

        factor = 10

        def f(x):
            return x * factor

        def g(x, y):
            return f(x) + y

        if __name__ == "__main__":
            mp.freeze_support()
            with Pool(processes=3) as pool:
                print(pool.map(f, [1, 2, 3]))
                print(pool.apply_async(g, (1, 2)).get(timeout=100))
                print(list(pool.imap(f, range(3))), sorted(pool.imap_unordered(f, range(3))))
                print(pool.starmap(g, [(1, 2), (3, 4)]))
            print(mp.Pool().map(f, [4]), ThreadPool(4).map(f, [5]), DummyPool(2).map(f, [6]))
            with mp.Manager() as manager:
                shared = manager.dict()
                with mp.Pool(2) as pool:
                    pool.starmap(shared.__setitem__, [(n, n) for n in range(3)])
                print(sorted(shared.items()))
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[10, 20, 30]",
        "12",
        "[0, 10, 20] [0, 10, 20]",
        "[12, 34]",
        "[40] [50] [60]",
        "[(0, 0), (1, 1), (2, 2)]",
    ]


def test_ctrl_c_ends_a_wait(script: Script) -> None:
    done = script("""
        import os, signal, threading, time
        from centimane.multiprocessing import Pool
        with Pool(1) as pool:
            results = pool.imap_unordered(time.sleep, [600])
            for wait in (pool.apply_async(time.sleep, (600,)).get, lambda: next(results),
                         pool.apply_async(time.sleep, (600,), callback=print).get):
                try:
                    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
                    wait()
                except KeyboardInterrupt:
                    print("interrupted")
    """)
    assert done.stdout == "interrupted\n" * 3, done.stderr
