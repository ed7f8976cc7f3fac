"""Locks, semaphores, conditions, events and barriers between processes, and values and arrays behind locks."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing as standard
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import centimane
from centimane import multiprocessing as mp
from centimane.multiprocessing import sharedctypes, synchronize

METHODS = ("fork", "spawn")


@pytest.fixture
def context(request: pytest.FixtureRequest) -> Any:
    """The standard library's processes, by "fork" where a test does not ask for more."""
    return standard.get_context(getattr(request, "param", "fork"))


every_method = pytest.mark.parametrize("context", METHODS, indirect=True)


@pytest.fixture(autouse=True, scope="module")
def _tracker() -> None:
    """Before the leak check looks: what the standard library starts once."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()


Run = Callable[..., Any]


@pytest.fixture
def child(context: Any) -> Iterator[Run]:
    """Starts processes; each must end well, but for those that the test has joined."""
    started: list[Any] = []

    def start(target: Callable[..., object], *args: Any) -> Any:
        process = context.Process(target=target, args=args)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.join()
        process.close()


# ---- what children run: functions of a module, so that "spawn" finds them


def add(lock: Any, value: Any, times: int) -> None:
    for _ in range(times):
        with lock:
            value.value += 1


def hold(lock: Any, held: Any) -> None:
    lock.acquire()
    held.set()
    signal.pause()


def hold_and_end(lock: Any) -> None:
    lock.acquire()


def wait_for_news(condition: Any, joined: Any, woken: Any) -> None:
    with condition:
        joined.release()
        condition.wait()
        woken.release()


def wait_at(barrier: Any, answers: Any) -> None:
    try:
        barrier.wait()
        answers.value += 1
    except threading.BrokenBarrierError:
        answers.value += 100


def double(array: Any) -> None:
    for k in range(len(array)):
        array[k] *= 2


def take_and_give(lock: Any) -> bool:
    with lock:
        return bool(lock._is_mine() if not isinstance(lock, mp.Semaphore) else lock.get_value() == 0)


# ---- locks


def test_a_lock_may_be_released_by_anybody() -> None:
    lock = mp.Lock()
    assert lock.acquire() is True
    assert lock.acquire(False) is False
    assert lock.acquire(block=True, timeout=0) is False
    assert lock.acquire(True, 0.001) is False
    other = threading.Thread(target=lock.release)
    other.start()
    other.join()
    with pytest.raises(ValueError, match="released too many times"):
        lock.release()
    with lock:
        assert lock._is_mine()
    assert lock._is_zero() is False


def test_a_recursive_lock_is_its_threads_alone() -> None:
    lock = mp.RLock()
    assert lock.acquire()
    assert lock.acquire()
    assert lock._count() == 2
    found: list[object] = []

    def other() -> None:
        found.append(lock.acquire(False))
        try:
            lock.release()
        except AssertionError as error:
            found.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [False, "attempt to release recursive lock not owned by thread"]
    lock.release()
    assert lock._count() == 1
    lock.release()
    with pytest.raises(AssertionError, match="not owned by thread"):
        lock.release()


def test_semaphores_count() -> None:
    semaphore = mp.Semaphore(2)
    assert semaphore.acquire()
    assert semaphore.acquire()
    assert semaphore.get_value() == 0
    assert not semaphore.acquire(False)
    for _ in range(3):
        semaphore.release()
    assert semaphore.get_value() == 3
    bounded = mp.BoundedSemaphore()
    with pytest.raises(ValueError, match="released too many times"):
        bounded.release()
    assert mp.Semaphore().get_value() == 1
    assert synchronize.SEM_VALUE_MAX == 2**31 - 1


@pytest.mark.parametrize("kind", [mp.Semaphore, mp.BoundedSemaphore])
def test_semaphores_refuse_bad_values(kind: Any) -> None:
    for value in (-1, 2**31):
        with pytest.raises(ValueError, match="value must be 0 to"):
            kind(value)
    with pytest.raises(TypeError, match="value must be an integer"):
        kind(1.5)


def test_acquire_refuses_bad_arguments() -> None:
    lock = mp.Lock()
    with pytest.raises(TypeError, match="unexpected keyword argument 'blocking'"):
        lock.acquire(blocking=False)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="multiple values for argument 'block'"):
        lock.acquire(True, block=False)  # type: ignore[misc]
    with pytest.raises(TypeError, match="at most 2"):
        lock.acquire(True, 1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        lock.acquire(True, "soon")  # type: ignore[arg-type]
    assert lock.acquire(False, None)
    assert not lock.acquire(True, -1)
    with pytest.raises(ValueError, match="not initialised"):
        synchronize.Lock.__new__(synchronize.Lock).acquire()


def test_representations_are_those_of_the_standard_library() -> None:
    def seen(of: Any) -> list[str]:
        lock, recursive, semaphore, bounded = of.Lock(), of.RLock(), of.Semaphore(3), of.BoundedSemaphore(2)
        condition, event = of.Condition(), of.Event()
        free = [repr(one) for one in (lock, recursive, semaphore, bounded, condition, event)]
        with lock, recursive, recursive:
            held = [repr(lock), repr(recursive), repr(condition)]
            thread = threading.Thread(target=lambda: held.extend([repr(lock), repr(recursive)]), name="other")
            thread.start()
            thread.join()
        return [re.sub("0x[0-9a-f]+", "@", text) for text in free + held]

    assert seen(mp) == seen(standard.get_context("fork"))


@every_method
def test_exclude_each_other(child: Run) -> None:
    lock, value = mp.Lock(), mp.RawValue("i", 0)
    children = [child(add, lock, value, 2000) for _ in range(2)]
    add(lock, value, 2000)
    for process in children:
        process.join()
    assert value.value == 6000


@pytest.mark.parametrize("kind", [mp.Lock, mp.RLock])
def test_of_a_dead_owner_one_taker_is_told(child: Run, kind: Any) -> None:
    lock, held = kind(), mp.Event()
    owner = child(hold, lock, held)
    held.wait()
    assert not lock.acquire(False)
    assert re.search("SomeOtherProcess", repr(lock))
    told: list[tuple[int, str]] = []

    def wait() -> None:
        try:
            lock.acquire()
        except centimane.OwnerDied as error:
            told.append((error.pid, str(error)))

    waiter = threading.Thread(target=wait)
    waiter.start()
    pid = owner.pid
    owner.kill()
    waiter.join()
    assert len(told) == 1
    assert told[0][0] == pid
    assert str(pid) in told[0][1]
    assert lock.acquire(False)
    lock.release()


def test_permits_of_the_dead_come_back(child: Run) -> None:
    semaphore = mp.Semaphore(2)
    for _ in range(2):
        child(hold_and_end, semaphore).join()
    assert semaphore.get_value() == 0
    assert semaphore.acquire()
    assert semaphore.acquire()
    assert not semaphore.acquire(False)


def test_ctrl_c_ends_a_wait() -> None:
    lock, event, condition = mp.Lock(), mp.Event(), mp.Condition()
    lock.acquire()

    def interrupt() -> None:
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    def wait_for_news() -> None:
        with condition:
            condition.wait()

    for wait in (lock.acquire, event.wait, wait_for_news):
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            wait()
        thread.join()
    assert condition.acquire(False), "it was given back"


def test_a_waiter_leaves_the_interpreter_to_others() -> None:
    lock = mp.Lock()
    lock.acquire()
    waiter = threading.Thread(target=lock.acquire)
    waiter.start()
    assert sum(range(1000)) == 499500
    lock.release()
    waiter.join()


# ---- how they travel


@pytest.mark.parametrize("kind", [mp.Lock, mp.RLock, lambda: mp.Semaphore(1), lambda: mp.BoundedSemaphore(1)])
def test_they_go_into_workers_in_every_way(kind: Any) -> None:
    lock = kind()
    assert centimane.parallel_map(take_and_give, [lock], executor="process").values() == [True]

    def closure(_: int) -> bool:
        return take_and_give(lock)

    assert centimane.parallel_map(closure, [1, 2], executor="process").values() == [True, True]
    with mp.Pool(1, initializer=set_global, initargs=(lock,)) as pool:
        assert pool.apply(use_global) is True
        assert pool.apply(take_and_give, (lock,)) is True


_given: Any = None


def set_global(lock: Any) -> None:
    global _given
    _given = lock


def use_global() -> bool:
    return take_and_give(_given)


@every_method
def test_they_go_into_pools_of_the_standard_library(context: Any) -> None:
    lock = mp.Lock()
    with context.Pool(1, initializer=set_global, initargs=(lock,)) as pool:
        assert pool.apply(use_global) is True
        assert pool.apply(take_and_give, (lock,)) is True
        pool.close()
        pool.join()


def test_a_pickle_of_it_is_the_same_lock() -> None:
    for made in (mp.Lock(), mp.RLock(), mp.Semaphore(1), mp.BoundedSemaphore(1)):
        again = pickle.loads(pickle.dumps(made))
        assert type(again) is type(made)
        with made:
            assert again._is_zero()
        assert not again._is_zero()
    condition = pickle.loads(pickle.dumps(mp.Condition(mp.Lock())))
    with condition:
        condition.notify_all()
        assert not condition.wait(0)
    event = mp.Event()
    pickle.loads(pickle.dumps(event)).set()
    assert event.is_set()
    barrier = pickle.loads(pickle.dumps(mp.Barrier(1, timeout=5)))
    assert barrier.wait() == 0
    assert barrier.parties == 1
    assert barrier._timeout == 5


def test_damaged_pickles_are_refused() -> None:
    lock = mp.Lock()
    handle = lock._hand_out()
    for kind in (mp.RLock, mp.Semaphore, mp.Event, mp.Condition):
        with pytest.raises(centimane.PayloadError, match="damaged"):
            kind.__new__(kind)._attach(handle)
    with pytest.raises(centimane.PayloadError, match="damaged"):
        mp.Lock.__new__(mp.Lock)._attach(handle[:-1])


def test_contexts_make_them() -> None:
    context = mp.get_context("spawn")
    made = [context.Lock(), context.RLock(), context.Semaphore(3), context.BoundedSemaphore(), context.Event()]
    assert [type(one) for one in made] == [mp.Lock, mp.RLock, mp.Semaphore, mp.BoundedSemaphore, mp.Event]
    assert isinstance(context.Condition(context.Lock()), mp.Condition)
    assert context.Barrier(2, timeout=1).parties == 2
    assert context.Value("i", 3).value == 3
    assert context.RawValue("i").value == 0
    assert list(context.Array("i", 2)) == [0, 0]
    assert list(context.RawArray("d", [1, 2])) == [1.0, 2.0]


def test_no_tracker_is_started(script: Any) -> None:
    done = script(
        """
        from multiprocessing import resource_tracker
        import centimane.multiprocessing as mp
        lock, value, barrier = mp.Lock(), mp.Value("i", 1), mp.Barrier(1)
        with lock, value:
            barrier.wait()
        assert resource_tracker._resource_tracker._fd is None
        """
    )
    assert done.returncode == 0, done.stderr


# ---- conditions


def test_a_condition_needs_its_lock() -> None:
    condition = mp.Condition()
    with pytest.raises(AssertionError, match="must acquire"):
        condition.wait()
    for call in (condition.notify, condition.notify_all):
        with pytest.raises(AssertionError, match="not owned"):
            call()
    for lock in (threading.Lock(), standard.get_context("fork").Lock(), mp.Semaphore()):
        with pytest.raises(TypeError, match="lock must be a Lock or RLock"):
            mp.Condition(lock)  # type: ignore[arg-type]


def test_notifications_wake_as_many_as_they_say(child: Run) -> None:
    condition, joined, woken = mp.Condition(), mp.Semaphore(0), mp.Semaphore(0)
    for _ in range(2):
        child(wait_for_news, condition, joined, woken)
    threads = [threading.Thread(target=wait_for_news, args=(condition, joined, woken)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        joined.acquire()
    with condition:
        condition.notify()
    woken.acquire()
    with condition:  # whoever was woken has left by now
        assert woken.get_value() == 0
        assert condition._waiting() == 3
        condition.notify(n=2)
    woken.acquire()
    woken.acquire()
    with condition:
        assert woken.get_value() == 0
        condition.notify_all()
    woken.acquire()
    for thread in threads:
        thread.join()


def test_wait_gives_back_all_that_was_taken() -> None:
    condition = mp.Condition()
    with condition, condition:
        assert condition.wait(0.001) is False
        assert condition._lock._count() == 2
    assert condition.wait_for(lambda: 7) == 7
    with condition:
        assert condition.wait_for(lambda: 0, timeout=0.001) == 0


def test_a_killed_waiter_takes_no_notification_with_it(child: Run) -> None:
    condition, joined, woken = mp.Condition(), mp.Semaphore(0), mp.Semaphore(0)
    victim = child(wait_for_news, condition, joined, woken)
    joined.acquire()
    waiter = child(wait_for_news, condition, joined, woken)
    joined.acquire()
    with condition:
        victim.kill()
        victim.join()
        condition.notify()  # the victim waited longest
    waiter.join()
    assert waiter.exitcode == 0
    assert woken.get_value() == 1


def notify_and_hold(condition: Any, held: Any) -> None:
    with condition:
        condition.notify()
        held.set()
        signal.pause()


def test_who_waits_is_told_of_an_owners_death_and_holds_the_lock(child: Run) -> None:
    condition, held, begun = mp.Condition(), mp.Event(), threading.Event()
    told: list[object] = []

    def wait() -> None:
        with condition:
            begun.set()
            try:
                condition.wait()
            except centimane.OwnerDied:
                told.append(condition._lock._is_mine())

    waiter = threading.Thread(target=wait)
    waiter.start()
    begun.wait()
    owner = child(notify_and_hold, condition, held)
    held.wait()
    owner.kill()
    waiter.join()
    assert told == [True]
    assert condition.acquire(False)


# ---- events and barriers


def test_events(child: Run) -> None:
    event, joined, woken = mp.Event(), mp.Semaphore(0), mp.Semaphore(0)
    assert event.wait(0) is False
    assert event.wait(0.001) is False
    assert not event.is_set()
    child(wait_for_event, event, joined, woken)
    joined.acquire()
    event.set()
    woken.acquire()
    assert event.wait() is True
    assert event.is_set()
    event.clear()
    assert not event.is_set()


def wait_for_event(event: Any, joined: Any, woken: Any) -> None:
    joined.release()
    if event.wait():
        woken.release()


def test_barriers(child: Run) -> None:
    acted: list[int] = []
    barrier, answers = mp.Barrier(2, action=None, timeout=None), mp.Value("i", 0)
    child(wait_at, barrier, answers)
    assert barrier.wait() in (0, 1)
    assert not barrier.broken
    assert barrier.n_waiting == 0
    alone = mp.Barrier(1, action=lambda: acted.append(1))
    assert alone.wait() == 0
    assert acted == [1]
    assert re.fullmatch(r"<centimane\.multiprocessing\.synchronize\.Barrier at 0x[0-9a-f]+: waiters=0/1>", repr(alone))
    alone.abort()
    assert alone.broken
    assert repr(alone).endswith(": broken>")
    with pytest.raises(threading.BrokenBarrierError):
        alone.wait()
    alone.reset()
    assert alone.wait() == 0


def test_an_action_that_raises_breaks_the_barrier() -> None:
    barrier = mp.Barrier(1, action=lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        barrier.wait()
    assert barrier.broken


def test_a_party_that_dies_breaks_the_barrier(child: Run) -> None:
    barrier, answers = mp.Barrier(3), mp.Value("i", 0)
    victim = child(wait_at, barrier, answers)
    waiter = child(wait_at, barrier, answers)
    while barrier.n_waiting < 2:
        time.sleep(0.001)
    victim.kill()
    waiter.join()
    assert answers.value == 100
    assert barrier.broken


def test_barriers_refuse_bad_values() -> None:
    for parties in (0, -1, 65537):
        with pytest.raises(ValueError, match="parties must be 1 to 65536"):
            mp.Barrier(parties)
    with pytest.raises(TypeError, match="parties must be an integer"):
        mp.Barrier("two")  # type: ignore[arg-type]
    barrier = mp.Barrier(2, timeout=0.001)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


# ---- values and arrays


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_double)]


def move(point: Any) -> None:
    point.x += 1
    point.y *= 2


@every_method
def test_values_and_arrays_are_shared(child: Run) -> None:
    array, raw, value, point = (
        mp.Array("i", range(5)),
        mp.RawArray("d", [1.5, 2]),
        mp.Value("i", 5),
        mp.Value(Point, 1, 2),
    )
    for shared in (array, raw):
        child(double, shared).join()
    child(add, value.get_lock(), value.get_obj(), 10).join()
    child(move, point).join()
    assert list(array) == [0, 2, 4, 6, 8]
    assert list(raw) == [3.0, 4.0]
    assert value.value == 15
    assert (point.x, point.y) == (2.0, 4.0)


def test_values_go_into_workers_and_change_there() -> None:
    array, raw, value = mp.Array("i", [1, 2, 3]), mp.RawArray("i", [1, 2]), mp.RawValue("d", 1.5)

    def work(_: int) -> None:
        double(array)
        double(raw)
        value.value += 1

    assert centimane.parallel_map(work, [0], executor="process").ok
    assert list(array[:]) == [2, 4, 6]
    assert list(raw) == [2, 4]
    assert value.value == 2.5


def test_values_of_the_same_types_that_are_not_shared_go_by_value() -> None:
    mp.RawValue("i", 1)
    mine = ctypes.c_int(7)
    again = pickle.loads(pickle.dumps(mine))
    again.value = 8
    assert mine.value == 7


def test_what_the_wrappers_have() -> None:
    text = mp.Array("c", b"hello")
    assert text.value == b"hello"
    assert text.raw == b"hello"
    assert len(text) == 5
    text.value = b"bye"
    assert text[:3] == b"bye"
    value = mp.Value("i", 1)
    with value:
        value.value += 1
    assert value.get_obj().value == 2
    assert isinstance(value.get_lock(), mp.RLock)
    assert isinstance(value, standard.sharedctypes.Synchronized)
    lock = mp.Lock()
    assert mp.Value("i", 1, lock=lock).get_lock() is lock
    assert not hasattr(mp.Value("i", 1, lock=False), "get_lock")
    copied = sharedctypes.copy(value.get_obj())
    value.value = 9
    assert copied.value == 2
    assert mp.Value("d").value == 0.0
    large = mp.RawArray("b", 1 << 20)
    large[-1] = 1
    assert pickle.loads(pickle.dumps(large))[-1] == 1


def test_values_refuse_bad_arguments() -> None:
    with pytest.raises(AttributeError, match="no method 'acquire'"):
        mp.Value("i", 1, lock="no lock")
    with pytest.raises(TypeError, match="typecode_or_type must be"):
        mp.Value("no such")
    with pytest.raises(ValueError, match="size_or_initializer must not be negative"):
        mp.Array("i", -1)
    with pytest.raises(AssertionError, match="already synchronized"):
        sharedctypes.synchronized(mp.Value("i"))


def test_memory_goes_with_its_last_user() -> None:
    before = len(os.listdir("/proc/self/fd"))
    made = [mp.RawArray("b", 1 << 20) for _ in range(3)] + [mp.Lock()]
    assert len(os.listdir("/proc/self/fd")) > before
    del made
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


# ---- deaths at each step

DEATHS = """
import sys
import centimane.multiprocessing as mp
import pickle

kind, point = sys.argv[1:]
shared = pickle.load(sys.stdin.buffer)
if kind in ("Lock", "RLock", "Semaphore"):
    with shared:
        pass
elif kind == "Condition":
    with shared:
        shared.wait(0.001)
        shared.notify()
elif kind == "Event":
    shared.set()
else:
    shared.wait(0.001)
"""

STEPS = [
    ("Lock", "share.lock.taken"),
    ("Lock", "share.lock.released"),
    ("RLock", "share.lock.marked"),
    ("RLock", "share.lock.release"),
    ("Semaphore", "share.semaphore.commit"),
    ("Semaphore", "share.semaphore.committed"),
    ("Semaphore", "share.semaphore.settled"),
    ("Condition", "share.condition.joined"),
    ("Condition", "share.condition.told"),
    ("Condition", "share.condition.sleep"),
    ("Event", "share.event.set"),
    ("Barrier", "share.barrier.arriving"),
    ("Barrier", "share.barrier.arrived"),
    ("Barrier", "share.barrier.sleep"),
]


@pytest.mark.parametrize(("kind", "point"), STEPS)
def test_a_death_at_each_step_keeps_nobody(kind: str, point: str) -> None:
    shared: Any = mp.Barrier(2) if kind == "Barrier" else getattr(mp, kind)()
    victim = subprocess.run(
        [sys.executable, "-c", DEATHS, kind, point],
        input=pickle.dumps(shared),
        env=os.environ | {"CENTIMANE_FAULT_POINT": f"{point}:1:kill"},
        check=False,
    )
    assert victim.returncode == -signal.SIGKILL
    if kind in ("Lock", "RLock", "Condition"):
        try:
            shared.acquire()
        except centimane.OwnerDied:
            assert shared.acquire(False)
        if kind == "Condition":
            shared.notify_all()
        shared.release()
    elif kind == "Semaphore":
        assert shared.acquire()
        assert not shared.acquire(False)
    elif kind == "Event":
        assert shared.wait()
    else:
        with pytest.raises(threading.BrokenBarrierError):
            shared.wait(0.2)
