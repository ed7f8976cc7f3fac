"""Arrays that processes share: made, sent on every way, written to, and gone with their last holder."""

from __future__ import annotations

import array
import copy
import ctypes
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import shared_tasks as tasks
from leaks import let_go_of_warm_things

import centimane
import centimane.multiprocessing as our_multiprocessing
from centimane import OwnerDied, PayloadError, Shared, SharedArray, parallel_map, share
from centimane.futures import ProcessPoolExecutor as OurExecutor
from centimane.multiprocessing import Pool as OurPool

np = pytest.importorskip("numpy")


# ---- what it is


def test_zeroed_and_of_floats_unless_told() -> None:
    made = SharedArray(3)
    assert (made.shape, made.dtype, made.ndim, made.size, made.nbytes, made.itemsize) == ((3,), np.float64, 1, 3, 24, 8)
    assert list(made) == [0, 0, 0]
    assert repr(made) == "SharedArray(shape=(3,), dtype='float64')"


@pytest.mark.parametrize("shape", [(), 0, (0,), (3, 0, 2), 5, (2, 3), [2, 1, 4], np.int64(2), (1,) * 32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes_are_numpys(shape: Any, order: str) -> None:
    made, like = SharedArray(shape, "int16", order=order), np.zeros(shape, "int16", order=order)
    looked = made.array
    assert looked.shape == like.shape
    assert looked.strides == like.strides or like.size == 0
    view = memoryview(made)
    assert (view.shape, view.nbytes, view.format) == (like.shape, like.nbytes, "h")
    assert view.c_contiguous == like.flags.c_contiguous
    assert view.f_contiguous == like.flags.f_contiguous


@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint16", "i4", "<u8", ">i4", "f", "d", "float16", "c8", "complex128", float, int, bool, "q", "S5", "U3", "datetime64[ms]",
     "timedelta64[D]", [("x", "i4"), ("y", "f8")], "longdouble", np.int8, np.dtype("float32")],
    ids=str,
)  # fmt: skip
def test_types_are_numpys_also_on_the_other_side(dtype: Any) -> None:
    made = SharedArray((2, 3), dtype)
    assert made.dtype == made.array.dtype == np.dtype(dtype)
    assert made.nbytes == np.zeros((2, 3), dtype).nbytes
    there = pickle.loads(pickle.dumps(made))
    assert there.dtype == made.dtype
    assert there._same_memory(made)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((-1,), ValueError, "negative"),
        (("abc",), TypeError, "shape must be an integer"),
        ((2.5,), TypeError, "shape must be an integer"),
        (((2**40, 2**40),), ValueError, "larger than any memory"),
        (((1,) * 65,), ValueError, "dimensions"),
        ((3, object), TypeError, "share"),
        ((3, "no such type"), TypeError, "dtype"),
        ((3, "S"), TypeError, "no size"),
        ((3, {}), TypeError, "dtype"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        SharedArray(*arguments)


def test_a_bad_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order must be 'C' or 'F', not 'A'"):
        SharedArray(3, order="A")


def test_too_much_is_refused_before_anybody_is_killed() -> None:
    with pytest.raises(centimane.ResourceLimit, match="bytes of shared memory are wanted"):
        SharedArray(2**50, "int8")


SOURCES: dict[str, Any] = {
    "empty": np.zeros(0),
    "0d": np.array(5.0),
    "large": np.arange(3_000_000, dtype=np.int32).reshape(3, -1),
    "strided": np.arange(10)[::2],
    "reversed": np.arange(10)[::-1],
    "transposed": np.arange(12).reshape(3, 4).T,
    "cut": np.arange(24).reshape(2, 3, 4)[:, 1:, ::2],
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big endian": np.arange(5, dtype=">i4"),
    "text": np.array(["a", "bc"]),
    "structured": np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    "dates": np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
    "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    "list": [[1, 2], [3, 4]],
    "array.array": array.array("d", [1, 2, 3]),
    "bytes": b"\x01\x02\x03",
    "memoryview": memoryview(np.arange(12.0).reshape(3, 4))[::2],
    "shared": SharedArray.from_array(np.arange(3)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_from_array_copies(name: str) -> None:
    source = SOURCES[name]
    wanted = np.frombuffer(source, "u1") if isinstance(source, bytes) else np.asarray(source)
    before = wanted.tobytes()
    made = SharedArray.from_array(source)
    assert made.dtype == wanted.dtype
    assert made.array.tobytes() == before
    assert made.shape == wanted.shape
    assert made.array.flags.f_contiguous or not (wanted.flags.f_contiguous and not wanted.flags.c_contiguous)
    made._put(0, bytes(made.nbytes))
    assert wanted.tobytes() == before


@pytest.mark.parametrize("source", [np.array([None, 1]), [object()]])
def test_objects_cannot_be_shared_in_place(source: Any) -> None:
    with pytest.raises(TypeError, match="holds Python objects"):
        SharedArray.from_array(source)


def test_views_keep_the_memory() -> None:
    looked = SharedArray.from_array(np.arange(5)).array
    seen = memoryview(SharedArray.from_array(np.arange(5)))
    one = looked[3:]
    del looked
    gc.collect()
    assert list(one) == [3, 4]
    assert seen[4] == 4


def test_protocols() -> None:
    made = SharedArray.from_array(np.arange(6.0).reshape(2, 3))
    assert np.asarray(made).base is not None
    assert np.shares_memory(np.asarray(made), made.array)
    assert np.asarray(made, dtype="f4").dtype == np.float32
    assert not np.shares_memory(np.array(made, copy=True), made.array)
    with pytest.raises(ValueError, match="without a copy"):
        made.__array__("f4", copy=False)
    assert np.shares_memory(np.from_dlpack(made), made.array)
    assert len(made) == 2
    assert made[1, 2] == 5
    made[0] = 9
    rows: Any = (ctypes.c_double * 3) * 2
    rows.from_buffer(made)[1][0] = 8
    assert made[1, 0] == 8
    assert made.array[0].tolist() == [9, 9, 9]
    assert [row.tolist() for row in made] == [[9, 9, 9], [8, 4, 5]]
    with pytest.raises(TypeError, match="no length"):
        len(SharedArray(()))


def test_arrow_takes_it_as_a_buffer() -> None:
    arrow = pytest.importorskip("pyarrow")
    made = SharedArray.from_array(np.arange(4, dtype="int64"))
    column = arrow.Array.from_buffers(arrow.int64(), 4, [None, arrow.py_buffer(made)])
    assert column.to_pylist() == [0, 1, 2, 3]


def test_copies() -> None:
    made = SharedArray.from_array(np.arange(3))
    assert copy.copy(made)._same_memory(made)
    apart = copy.deepcopy(made)
    assert not apart._same_memory(made)
    assert apart.array.tolist() == [0, 1, 2]
    assert not made._same_memory(np.arange(3))


# ---- its ways


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_pickle_is_a_handle(protocol: int) -> None:
    made = SharedArray(1_000_000)
    blob = pickle.dumps(made, protocol)
    assert len(blob) < 256
    back = pickle.loads(blob)
    back[7] = 7
    assert made[7] == 7


def test_as_item_argument_capture_and_result() -> None:
    made = SharedArray(4)
    pids = parallel_map(lambda a: tasks.fill(a, 1.0), [made] * 2, executor="process", workers=2)
    assert os.getpid() not in list(pids)
    assert list(made) == [1] * 4
    parallel_map(lambda value: tasks.fill(made, value), [2.0], executor="process", workers=2).values()
    assert list(made) == [2] * 4
    back = parallel_map(lambda a: {"deep": [a]}, [made], executor="process", workers=2).values()[0]["deep"][0]
    assert back._same_memory(made)
    new = parallel_map(tasks.make, [5, 6], executor="process", workers=2).values()
    assert [list(one) for one in new] == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]


def test_it_weighs_what_its_handle_does() -> None:
    assert centimane._core.weight_of(SharedArray(1_000_000)) < 1000


@pytest.mark.parametrize("ours", [True, False])
def test_executors_of_both_kinds(ours: bool) -> None:
    made = SharedArray(4)
    with OurExecutor(1) if ours else ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        pool.submit(tasks.fill, made, 3.0).result()
        assert list(pool.submit(tasks.make, 3).result()) == [0, 1, 2]
    assert list(made) == [3] * 4


@pytest.mark.parametrize("ours", [True, False])
def test_pools_of_both_kinds(ours: bool) -> None:
    made = SharedArray(4)
    with OurPool(1) if ours else multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(tasks.fill, (made, 3.0)) != os.getpid()
        pool.close()
        pool.join()
    assert list(made) == [3] * 4


def test_pools_of_executed_processes(script: Any) -> None:
    done = script(
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import multiprocessing
        import shared_tasks as tasks
        from centimane import SharedArray
        if __name__ == "__main__":
            made = SharedArray(4)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(tasks.fill, (made, 3.0))
                print(made.array.tolist(), pool.apply(tasks.make, (3,)).array.tolist())
        """
    )
    assert done.stdout == "[3.0, 3.0, 3.0, 3.0] [0, 1, 2]\n", done.stderr
    assert done.stderr == ""


def test_a_queue_of_the_standard_library() -> None:
    context = multiprocessing.get_context("fork")
    queue, (here, there) = context.Queue(), context.Pipe()
    child = context.Process(target=tasks.read_from, args=(queue, there))
    child.start()
    queue.put(SharedArray.from_array(np.full(3, 2.5)))  # the queue's thread pickles it, and nobody here keeps it
    assert here.recv() == 2.5
    child.join()
    child.close()
    queue.close()
    queue.join_thread()
    here.close()
    there.close()


def test_workers_of_workers() -> None:
    made = SharedArray(3)
    assert parallel_map(tasks.inner_map, [made], executor="process", workers=1).values() == [6.0]
    assert list(made) == [6] * 3


def test_in_a_fork() -> None:
    made = SharedArray(3)
    pid = os.fork()
    if pid == 0:
        made[1] = 8
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert made[1] == 8


# ---- deaths, and what is left


@pytest.fixture
def spawned() -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Starts processes that run a function with a line to this one; ends what still runs."""
    context = multiprocessing.get_context("fork")
    all_of_them: list[Any] = []

    def start(function: Callable[..., None], *arguments: Any) -> tuple[Any, Any]:
        here, there = context.Pipe()
        child = context.Process(target=function, args=(*arguments, there))
        child.start()
        there.close()
        all_of_them.append((child, here))
        return child, here

    yield start
    for child, line in all_of_them:
        if child.is_alive():
            child.kill()
        child.join()
        child.close()
        line.close()


def mapped_here(made: SharedArray) -> Callable[[], bool]:
    """Tells whether this process has that very memory mapped."""
    at = made.array.__array_interface__["data"][0]

    def look() -> bool:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            for line in maps:
                begin, end = (int(n, 16) for n in line.split()[0].split("-"))
                if begin <= at < end:
                    return "centimane-shared" in line
        return False

    assert look()
    return look


def test_gone_with_the_last_view() -> None:
    made = SharedArray(1000)
    looked = made.array
    open_here = mapped_here(made)
    del made
    gc.collect()
    assert open_here()
    del looked
    gc.collect()
    assert not open_here()


def test_the_maker_is_killed_and_who_reads_goes_on(spawned: Callable[..., tuple[Any, Any]]) -> None:
    child, line = spawned(tasks.send_and_die)
    made = line.recv()
    line.send("die")
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert made[0] == 4.5
    made[0] = 5
    # And hands it on, though the maker is gone.
    other, other_line = spawned(tasks.hold_and_tell, made)
    assert other_line.recv() == 5
    other_line.send("go")
    other.join()


def test_a_holder_is_killed_and_the_maker_goes_on(spawned: Callable[..., tuple[Any, Any]]) -> None:
    made = SharedArray(3)
    made[0] = 1.5
    child, line = spawned(tasks.hold_and_tell, made)
    assert line.recv() == 1.5
    child.kill()
    child.join()
    assert made[0] == 1.5
    open_here = mapped_here(made)
    del made
    gc.collect()
    assert not open_here()


def test_what_a_worker_made_outlives_it() -> None:
    made = parallel_map(tasks.make, range(1, 7), executor="process", workers=2, max_tasks_per_worker=1).values()
    let_go_of_warm_things()
    assert [one.array.sum() for one in made] == [n * (n - 1) // 2 for n in range(1, 7)]


def test_what_a_process_sent_outlives_it() -> None:
    queue = our_multiprocessing.Queue()
    maker = our_multiprocessing.Process(target=tasks.put_and_end, args=(queue,))
    maker.start()
    maker.join()
    assert maker.exitcode == 0
    assert list(queue.get(timeout=60)) == [0, 1, 2, 3, 4]
    maker.close()
    queue.close()


def test_what_a_worker_sent_outlives_it_wherever_it_goes(tmp_path: Path) -> None:
    paths = [tmp_path / "1", tmp_path / "2"]
    result = parallel_map(lambda path: tasks.make_and_end(1000, path), map(str, paths), executor="process", workers=1)
    assert len(result.failures()) == 2
    assert pickle.loads(paths[0].read_bytes())[999] == 999
    # Another process finds it in this one's hands.
    program = f"import pickle; print(int(pickle.load(open({str(paths[1])!r}, 'rb'))[999]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "999\n", done.stderr


def test_a_late_pickle_names_the_process_that_ended() -> None:
    program = (
        "import pickle, sys; from centimane import SharedArray; sys.stdout.buffer.write(pickle.dumps(SharedArray(3)))"
    )
    blob = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    with pytest.raises(OwnerDied, match=r"process \d+ has ended.*keep one where it was made"):
        pickle.loads(blob)


def test_a_damaged_handle_is_refused() -> None:
    from centimane import _core, _shared_array

    made = SharedArray(3)
    handle = made._hand_out()
    for bad in (b"", handle[:-1], bytes(len(handle)), handle[:24] + bytes(16) + handle[40:]):
        with pytest.raises((PayloadError, OwnerDied)):
            _shared_array._open(bad, (3,), "float64", "C")
    with pytest.raises(PayloadError, match="smaller than the array"):
        _shared_array._open(made._hand_out(), (4,), "float64", "C")
    with pytest.raises(TypeError):
        _core.SharedBlock("text", (3,), "d", 8, False, "float64")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 2**16, 2**20, 2**26, 2**30])
def test_sizes(size: int) -> None:
    source = np.arange(size // 8)
    made = share(source)
    assert parallel_map(lambda a: int(a.array.sum()), [made], executor="process", workers=1).values() == [
        int(source.sum())
    ]


# ---- share


def test_share_answers_arrays_for_arrays() -> None:
    for source in (np.arange(3), array.array("i", [0, 1, 2]), memoryview(b"\0\1\2")):
        made = share(source)
        assert isinstance(made, SharedArray)
        assert list(made) == [0, 1, 2]
        assert share(made) is made


def test_share_pickles_the_rest_once() -> None:
    made = share({"a": np.arange(1000.0), "text": "x" * 1000, "bytes": pickle.PickleBuffer(b"y" * 1000)})
    assert isinstance(made, Shared)
    assert share(made) is made
    assert len(pickle.dumps(made)) < 256
    got = made.get()
    assert got is made.get()
    assert got["a"].sum() == 499500
    assert not got["a"].flags.writeable
    assert parallel_map(lambda k: tasks.read_shared(made, k), ["text"], executor="process").values() == ["x" * 1000]
    assert parallel_map(lambda m: m.get()["a"][7], [made], executor="process").values() == [7]
    assert repr(made) == f"Shared({made._memory.nbytes} bytes)"


def test_share_takes_what_only_goes_by_value(script: Any) -> None:
    done = script(
        """
        import numpy as np
        from centimane import parallel_map, share
        class C:
            def __init__(self):
                self.a = np.arange(100_000)
        c = share(C())
        assert isinstance(c.get(), C)
        assert not c.get().a.flags.writeable
        print(parallel_map(lambda k: int(c.get().a[k]), [3, 4], executor="process").values())
        f = share(lambda x: x + 1)
        print(parallel_map(lambda k: f.get()(k), [3, 4], executor="process").values())
        """
    )
    assert done.stdout == "[3, 4]\n[4, 5]\n", done.stderr


def test_what_cannot_be_pickled_is_refused() -> None:
    with pytest.raises(PayloadError, match="object"):
        share({"frame": sys._getframe()})


def test_a_damaged_memory_is_refused() -> None:
    made = share([1, 2, 3])
    made._memory._put(0, (2**40).to_bytes(8, "little"))
    with pytest.raises(PayloadError, match="damaged"):
        made.get()
    other = share([1, 2, 3])
    other._memory._put(16, b"garbage")
    with pytest.raises(PayloadError, match="cannot be rebuilt here"):
        other.get()


def test_a_table_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": np.arange(100_000), "b": np.arange(100_000.0)})
    made = share(table)
    assert made.get().equals(table)
    assert parallel_map(lambda k: float(made.get()["b"][k]), [5], executor="process").values() == [5.0]


def test_the_tutorials_program(script: Any) -> None:
    program = Path(__file__).parents[2] / "examples/python/double_in_place.py"
    done = script(program.read_text())
    assert done.stdout == "by name: [ 2  4  6  8 10]\nSharedArray: [ 2  4  6  8 10]\n", done.stderr
    assert done.stderr == ""


def test_without_numpy(script: Any) -> None:
    done = script(
        """
        import sys
        sys.modules["numpy"] = None
        import array
        from centimane import SharedArray, parallel_map, share
        a = SharedArray((2, 3), "int32")
        a[1, 2] = 5
        print(a.array.tolist(), a.dtype, len(a), a)
        b = share(array.array("d", [1, 2]))
        parallel_map(lambda k: b.__setitem__(k, 7.0), [0, 1], executor="process").values()
        print(list(b))
        for make in (lambda: SharedArray(3, "S5"), lambda: SharedArray.from_array([1, 2]), lambda: b.__dlpack__()):
            try:
                make()
            except (TypeError, BufferError) as error:
                print(type(error).__name__, "NumPy" in str(error))
        """
    )
    assert done.stdout == (
        "[[0, 0, 0], [0, 0, 5]] int32 2 SharedArray(shape=(2, 3), dtype='int32')\n[7.0, 7.0]\n"
        "TypeError True\nTypeError True\nBufferError True\n"
    ), done.stderr
