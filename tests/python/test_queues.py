"""Queues between processes: what they promise, alone, between processes of the standard library and of ours, and when somebody dies."""

from __future__ import annotations

import gc
import multiprocessing as standard
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor as StandardExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import centimane
from centimane import OwnerDied, QueueClosed, parallel_map
from centimane import multiprocessing as ours
from centimane.multiprocessing.queues import JoinableQueue, Queue, SimpleQueue

if TYPE_CHECKING:
    from conftest import Script

# Since 3.12 a process is told that has threads and forks; what is forked here uses a queue, and ends.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

FORK = standard.get_context("fork")
KINDS = (Queue, JoinableQueue, SimpleQueue)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Any:
    """Each kind of queue in turn. The test makes it, so that nothing holds it when leaks are looked for."""
    return request.param


@pytest.fixture(autouse=True)
def nothing_of_others_left() -> Iterator[None]:
    """Cycles of frames and their errors hold queues; the standard library's spawned processes bring a tracker along."""
    yield
    gc.collect()
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    if tracker is not None:
        tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def child(target: Callable[..., object], *args: object) -> Any:
    process = FORK.Process(target=target, args=args)
    process.start()
    return process


VALUES = [
    0, -1, 2**40, 2**100, 1.5, None, True, "text", "\udc80", "ünï", b"", b"x" * 300, (1, ("a", None)), [1, 2], {"a": {1, 2}},
    "long" * 30000, b"y" * 300_000, list(range(50_000)), ValueError("no"), Path("/x"), bytearray(b"z" * 100_000),
]  # fmt: skip


def test_what_is_put_comes_out(kind: Any) -> None:
    any_queue = kind()
    for value in VALUES:
        any_queue.put(value)
    for value in VALUES:
        got = any_queue.get()
        assert type(got) is type(value)
        assert repr(got) == repr(value)
    assert any_queue.empty()


def test_arrays_come_out_as_they_went_in() -> None:
    numpy = pytest.importorskip("numpy")
    q = Queue()
    for n in (0, 10, 5_000, 400_000):
        array = numpy.arange(n, dtype=float).reshape(-1, 1)
        q.put(array)
        q.put((array, "with"))
        got = q.get()
        assert got.dtype == array.dtype
        assert got.shape == array.shape
        got[...] = 7  # it is ours to write to
        assert (q.get()[0] == array).all()


def test_size_and_bounds_are_exact() -> None:
    q = Queue(3)
    assert (q.qsize(), q.empty(), q.full()) == (0, True, False)
    for n in range(3):
        q.put(n)
    assert (q.qsize(), q.empty(), q.full()) == (3, False, True)
    with pytest.raises(queue.Full):
        q.put(3, False)
    with pytest.raises(queue.Full):
        q.put_nowait(3)
    with pytest.raises(queue.Full):
        q.put(3, timeout=0.01)
    with pytest.raises(queue.Full):
        q.put(3, True, -1)
    with pytest.raises(queue.Full):
        q.put(3, block=False, timeout=100)
    assert [q.get() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(queue.Empty):
        q.get_nowait()
    with pytest.raises(queue.Empty):
        q.get(False)
    with pytest.raises(queue.Empty):
        q.get(True, 0.01)
    with pytest.raises(queue.Empty):
        q.get(timeout=-1.5)
    assert not Queue().full()
    assert not Queue(0).full()
    assert not Queue(-5).full()


def test_is_bounded_by_bytes() -> None:
    q = Queue(max_bytes=10_000)
    q.put(b"x" * 50_000)  # alone it may be larger
    with pytest.raises(queue.Full):
        q.put_nowait(1)
    assert not q.full()
    assert len(q.get()) == 50_000
    for _ in range(9):
        q.put_nowait(b"x" * 1000)
    with pytest.raises(queue.Full):
        q.put_nowait(b"x" * 1000)
    assert q.qsize() == 9


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Queue("3"), TypeError, "maxsize"),
        (lambda: Queue(max_bytes=0), ValueError, "max_bytes"),
        (lambda: Queue(max_bytes="1"), TypeError, "max_bytes"),
        (lambda: Queue(1, 2), TypeError, "positional"),
        (lambda: Queue().put(), TypeError, "needs the object"),
        (lambda: Queue().put(1, 2, 3, 4), TypeError, "at most 3"),
        (lambda: Queue().put(1, wait=True), TypeError, "wait"),
        (lambda: Queue().put(1, obj=1), TypeError, "obj"),
        (lambda: Queue().get(True, "1"), TypeError, "float|number"),
        (lambda: Queue().get(timeout=float("nan")), ValueError, "timeout"),
        (lambda: JoinableQueue().task_done(), ValueError, "too many times"),
        (lambda: Queue.__new__(Queue).put(1), ValueError, "never made"),
    ],
)
def test_bad_calls(call: Callable[[], object], error: type[BaseException], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


def test_what_cannot_be_pickled_raises_at_once_and_is_not_queued(kind: Any) -> None:
    any_queue = kind()
    with pytest.raises(TypeError, match="cannot pickle"):
        any_queue.put(sys._getframe())

    class Refuses:
        def __reduce__(self) -> Any:
            raise AttributeError("not me")

    with pytest.raises(AttributeError, match="not me"):
        any_queue.put(Refuses())
    assert any_queue.empty()


def test_lambdas_and_local_classes_travel() -> None:
    class Local:
        value = 3

    q = Queue()
    q.put(lambda x: x + 1)
    q.put(Local())
    assert q.get()(1) == 2
    assert q.get().value == 3


def test_a_put_within_a_put() -> None:
    q = Queue()

    class Nested:
        def __reduce__(self) -> Any:
            q.put("inner")
            return str, ("outer",)

    q.put(Nested())
    assert [q.get(), q.get()] == ["inner", "outer"]


def test_closed_here() -> None:
    for kind in (Queue, JoinableQueue):
        q = kind()
        with pytest.raises(AssertionError, match="not closed"):
            q.join_thread()
        q.cancel_join_thread()
        q.close()
        q.close()
        q.join_thread()
        assert q.empty()
        with pytest.raises(ValueError, match="is closed"):
            q.put(1)
        with pytest.raises(ValueError, match="is closed"):
            q.get()
        with pytest.raises(ValueError, match="is closed"):
            pickle.dumps(q)
        q = kind()
        q.put("used")
        q.close()
        with pytest.raises(OSError, match="is closed"):
            q.empty()
    simple = SimpleQueue()
    simple.close()
    with pytest.raises(OSError, match="is closed"):
        simple.empty()


def test_pickles_at_any_time_and_is_the_same_queue(kind: Any) -> None:
    any_queue = kind()
    again = pickle.loads(pickle.dumps(any_queue))
    assert type(again) is type(any_queue)
    again.put("through another")
    any_queue.put(again)  # a queue inside itself
    assert any_queue.get() == "through another"
    assert any_queue.get().empty()


def test_types_can_be_named_with_what_they_hold() -> None:
    assert Queue[int].__origin__ is Queue
    assert SimpleQueue[str].__args__ == (str,)


# ---- between processes


def double(inputs: Any, outputs: Any) -> None:
    for n in iter(inputs.get, None):
        outputs.put(n * 2)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_on_input_and_output_queues_ended_by_poison_pills(method: str) -> None:
    context = standard.get_context(method)
    inputs, outputs = Queue(), Queue()
    workers = [context.Process(target=double, args=(inputs, outputs)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for n in range(100):
        inputs.put(n)
    for _ in workers:
        inputs.put(None)
    for worker in workers:  # before the results are read: they are in the queue already
        worker.join()
        assert worker.exitcode == 0
    assert sorted(outputs.get() for _ in range(100)) == [n * 2 for n in range(100)]
    assert inputs.empty()
    assert outputs.empty()


def test_the_tutorial_program(tmp_path: Path) -> None:
    program = Path(__file__).parents[2] / "examples" / "python" / "queues.py"
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.stdout, done.returncode) == ("20 tasks done, fibonacci(20) = 6765\n", 0), done.stderr


def take_all(q: Any, out: Any) -> None:
    for who, n in iter(q.get, None):
        out.put((os.getpid(), who, n))


def put_many(q: Any, who: int, many: int) -> None:
    for n in range(many):
        q.put((who, n))


def test_many_producers_and_consumers_lose_nothing_and_keep_the_order_of_each() -> None:
    q, out = Queue(5), SimpleQueue()
    consumers = [child(take_all, q, out) for _ in range(3)]
    producers = [child(put_many, q, who, 200) for who in range(3)]
    for producer in producers:
        producer.join()
    for _ in consumers:
        q.put(None)
    for consumer in consumers:
        consumer.join()
    got = [out.get() for _ in range(600)]
    assert out.empty()
    assert sorted((who, n) for _, who, n in got) == [(who, n) for who in range(3) for n in range(200)]
    for consumer in {pid for pid, _, _ in got}:
        for who in range(3):
            order = [n for pid, w, n in got if pid == consumer and w == who]
            assert order == sorted(order)


def put_name(q: Any, name: str) -> str:
    q.put(name)
    return name


def test_as_an_argument_of_our_workers() -> None:
    q = Queue()
    assert parallel_map(lambda n: put_name(q, f"c{n}"), range(4), executor="process", workers=2).ok  # in a closure
    with ours.Pool(2, initializer=put_name, initargs=(q, "i")) as pool:
        assert pool.starmap(put_name, [(q, f"a{n}") for n in range(4)]) == [f"a{n}" for n in range(4)]
        pool.close()
        pool.join()
    got = sorted(q.get_nowait() for _ in range(q.qsize()))
    assert got[:4] == [f"a{n}" for n in range(4)]
    assert got[4:8] == [f"c{n}" for n in range(4)]
    assert set(got[8:]) == {"i"}


def test_as_an_argument_of_the_standard_librarys_pools() -> None:
    q = Queue()
    with StandardExecutor(1, mp_context=standard.get_context("spawn")) as pool:
        assert pool.submit(put_name, q, "executor").result() == "executor"
    with FORK.Pool(1) as pool:
        assert pool.apply(put_name, (q, "pool")) == "pool"
        pool.close()
        pool.join()
    assert [q.get_nowait(), q.get_nowait()] == ["executor", "pool"]


def test_a_queue_sent_through_a_queue() -> None:
    inputs, answers = Queue(), Queue()

    def answer() -> None:
        where, what = inputs.get()
        where.put(what)

    process = child(answer)
    inputs.put((answers, "here"))
    assert answers.get() == "here"
    process.join()


def test_what_lives_in_main_needs_no_guard(script: Script) -> None:
    done = script(
        """
        from centimane.multiprocessing import Pool, Queue

        class Point:
            def __init__(self, x): self.x = x

        def move(inputs, outputs):
            p = inputs.get()
            assert type(p).__module__ == "__main__"
            outputs.put(Point(p.x + 1))

        inputs, outputs = Queue(), Queue()
        with Pool(1) as pool:
            done = pool.apply_async(move, (inputs, outputs))
            inputs.put(Point(1))
            done.get()
            got = outputs.get()
            print(isinstance(got, Point), got.x)
        """
    )
    assert (done.stdout, done.returncode) == ("True 2\n", 0), done.stderr


def test_no_tracker_and_no_thread_is_started(script: Script) -> None:
    done = script(
        """
        import sys, threading
        from centimane.multiprocessing import JoinableQueue, Queue, SimpleQueue
        for q in Queue(), JoinableQueue(3), SimpleQueue():
            q.put(1); q.get()
        tracker = sys.modules.get("multiprocessing.resource_tracker")
        print(threading.active_count(), tracker is None or tracker._resource_tracker._pid)
        """
    )
    assert done.stdout in ("1 None\n", "1 True\n"), done.stderr


def test_contexts_make_ours() -> None:
    for method in (None, "fork", "spawn"):
        context = ours.get_context(method)
        assert type(context.Queue(2)) is Queue
        assert type(context.JoinableQueue()) is JoinableQueue
        assert type(context.SimpleQueue()) is SimpleQueue
    assert ours.Queue is Queue
    assert ours.queues.Queue is Queue
    q = Queue(1, ctx=standard.get_context())
    q.put(1)
    assert q.full()


# ---- tasks


def test_join_waits_until_all_is_done() -> None:
    q = JoinableQueue()
    seen: list[int] = []

    def work() -> None:
        for n in iter(q.get, None):
            seen.append(n)
            q.task_done()
        q.task_done()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(50):
        q.put(n)
    q.join()
    assert sorted(seen) == list(range(50))
    for _ in threads:
        q.put(None)
    q.join()
    for thread in threads:
        thread.join()
    with pytest.raises(ValueError, match="too many times"):
        q.task_done()


def take_and_end(q: Any, many: int, done: int) -> None:
    for _ in range(many):
        q.get()
    for _ in range(done):
        q.task_done()


def test_join_tells_of_tasks_whose_taker_has_ended() -> None:
    q = JoinableQueue()
    for n in range(5):
        q.put(n)
    process = child(take_and_end, q, 3, 1)
    with pytest.raises(OwnerDied, match="2 tasks of the queue"):
        q.join()
    process.join()
    for _ in range(2):
        q.get()
        q.task_done()
    q.join()


# ---- deaths and ends


def test_a_getter_is_told_when_everybody_else_has_ended() -> None:
    q = Queue()
    process = child(put_many, q, 0, 2)
    assert [q.get(), q.get()] == [(0, 0), (0, 1)]
    with pytest.raises(QueueClosed, match="is empty, and every other process"):
        q.get()
    process.join()
    with pytest.raises(queue.Empty) as refused:  # a wait with an end of its own ends there
        q.get(timeout=0.05)
    assert not isinstance(refused.value, QueueClosed)
    later = child(put_many, q, 1, 1)
    assert q.get() == (1, 0)
    later.join()


def test_a_putter_is_told_when_everybody_else_has_ended() -> None:
    q = Queue(1)
    process = child(take_and_end, q, 1, 0)
    q.put(1)
    q.put(2)
    with pytest.raises(QueueClosed, match="is full, and every other process"):
        q.put(3)
    process.join()
    assert q.qsize() == 1
    assert issubclass(ours.queues.QueueClosed, queue.Full)
    assert issubclass(ours.queues.QueueClosed, QueueClosed)
    assert issubclass(QueueClosed, centimane.Error)


def test_a_copy_by_fork_that_has_not_called_yet_counts() -> None:
    q = Queue()
    first = child(put_many, q, 0, 1)
    assert q.get() == (0, 0)
    first.join()
    read, write = os.pipe()

    def late() -> None:
        os.read(read, 1)
        q.put("late")

    process = child(late)
    threading.Timer(0.3, os.write, (write, b"x")).start()
    assert q.get() == "late"
    process.join()
    os.close(read)
    os.close(write)


def test_a_getter_that_is_killed_takes_nothing_along() -> None:
    q = Queue()
    q.put("ready")
    process = child(take_and_end, q, 1000, 0)
    while not q.empty():
        time.sleep(0)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    q.put("still here")
    assert q.get() == "still here"


def test_ctrl_c_ends_a_wait() -> None:
    unfinished = JoinableQueue()
    unfinished.put(1)
    full = Queue(1)
    full.put(1)
    for wait in (Queue().get, unfinished.join, lambda: full.put(2)):
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            wait()
        timer.join()


def test_a_queue_that_is_gone_says_so() -> None:
    q = Queue()
    blob = pickle.dumps(q)
    pickle.loads(blob)
    del q
    with pytest.raises(OwnerDied, match="gone"):
        pickle.loads(blob)
    with pytest.raises(ValueError, match="no queue's handle"):
        Queue.__new__(Queue)._open(b"nonsense")


@pytest.mark.slow
def test_an_object_of_a_gigabyte() -> None:
    q = Queue()
    process = child(q.put, b"x" * 2**30)
    assert len(q.get()) == 2**30
    process.join()
