"""Large values: what arrives is exact, may be written to, lives as long as somebody looks into it, and costs its memory once."""

from __future__ import annotations

import array
import gc
import mmap
import os
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import centimane
from centimane import _core, _processes

KIB, MIB = 1024, 1024 * 1024
SIZES = (0, 1, 8, 63 * KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 255 * KIB, MIB, MIB + 1, 5 * MIB)


def echo(value: Any) -> Any:
    return value


def through(value: Any) -> Any:
    """Out to a worker and back."""
    (back,) = centimane.parallel_map(echo, [value], executor="process", workers=2).values()
    return back


def leases() -> int:
    """Blocks in use in this process's pools."""
    return sum(pool.leases for pool, _ in _processes._pools.values())


class Exporter:
    """Third-party data that knows protocol 5, as Arrow's buffers do."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: int) -> tuple[Any, ...]:
        return Exporter, (pickle.PickleBuffer(self.data),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exporter) and bytes(self.data) == bytes(other.data)

    __hash__ = None  # type: ignore[assignment]


def values(n: int) -> list[Any]:
    data = bytes(range(256)) * (n // 256) + bytes(n % 256)
    return [
        data,
        bytearray(data),
        data.replace(b"\x80", b"a").decode("latin-1"),
        data.decode("latin-1").translate({k: k % 128 for k in range(128, 256)}),
        "\u20ac" * (n // 2),
        "\U0001f600" * (n // 4),
        "\ud800" * (n // 2),
        array.array("d", range(n // 8)),
        array.array("b", bytes(n)),
        ("a tuple", data, 1),
        [data, bytearray(data), {"more": data}],
        Exporter(bytearray(data)),
        Exporter(data),
        list(range(n // 16)),
    ]


@pytest.mark.parametrize("size", SIZES)
def test_comes_back_as_it_was(size: int) -> None:
    sent = values(size)
    for value, back in zip(
        sent, centimane.parallel_map(echo, sent, executor="process", workers=2).values(), strict=True
    ):
        assert type(back) is type(value)
        assert back == value


BIG = np.arange(3 * 2**17, dtype=np.float64).reshape(3, 2**8, 2**9)


ARRAYS = [
    BIG,
    np.asfortranarray(BIG[0]),
    BIG[:, ::2],
    BIG.T,
    BIG[..., ::-1],
    BIG.astype(">f4"),
    BIG.astype("c16"),
    BIG > 7,
    BIG.astype("M8[s]"),
    np.zeros((0, 5)),
    np.array(7.5),
    np.zeros((2, 0, 3), dtype="i2"),
    np.array(["text", "another"] * 50_000),
    np.zeros(20_000, dtype=[("a", "i4"), ("b", "f8", (3,))]),
    np.array([None, "x", 3] * 30_000, dtype=object),
    np.ma.masked_array(BIG, mask=BIG > 5),
]


def test_arrays_keep_type_shape_and_order() -> None:
    for value, back in zip(
        ARRAYS, centimane.parallel_map(echo, ARRAYS, executor="process", workers=2).values(), strict=True
    ):
        assert type(back) is type(value)
        assert (back.dtype, back.shape) == (value.dtype, value.shape)
        assert np.array_equal(np.asarray(back), np.asarray(value))
        if value.flags.f_contiguous or value.flags.c_contiguous:
            assert back.flags.f_contiguous == value.flags.f_contiguous
            assert back.flags.c_contiguous == value.flags.c_contiguous
        assert back.flags.writeable


def test_read_only_stays_read_only() -> None:
    value = BIG.copy()
    value.flags.writeable = False
    assert not through(value).flags.writeable
    assert not through([value, {"deep": value}])[1]["deep"].flags.writeable


def overwrite(value: Any) -> tuple[float, bool]:
    before = float(value[0])
    value[:] = -1
    return before, bool((value == -1).all())


def test_an_argument_can_be_written_to_and_nobody_else_sees_it() -> None:
    value = np.full(MIB, 5.0)
    result = centimane.parallel_map(overwrite, [value] * 12, executor="process", workers=2)
    assert result.values() == [(5.0, True)] * 12
    assert (value == 5.0).all()


def make(size: int) -> Any:
    return np.full(size, size, dtype=np.int64)


def test_a_result_outlives_its_worker_and_its_pool() -> None:
    results = centimane.parallel_map(
        make, [10_000 + k for k in range(40)], executor="process", workers=2, max_tasks_per_worker=3
    ).values()
    for k, value in enumerate(results):
        value[0] = -k
    _processes.close_all(grace=0)
    again = centimane.parallel_map(make, [10_000 + k for k in range(40)], executor="process", workers=2).values()
    for k, value in enumerate(results):
        assert value[0] == -k
        assert (value[1:] == 10_000 + k).all()
        assert (again[k] == 10_000 + k).all()


def test_a_part_of_a_result_keeps_the_whole() -> None:
    (value,) = centimane.parallel_map(make, [MIB], executor="process", workers=2).values()
    part = memoryview(value)[5:7]
    del value
    gc.collect()
    assert leases() >= 1
    for _ in range(5):  # would write over it
        centimane.parallel_map(make, [MIB - 1], executor="process", workers=2)
    assert part.tolist() == [MIB, MIB]


def test_blocks_are_used_again_and_none_is_left() -> None:
    before = leases()
    for _ in range(3):
        result = centimane.parallel_map(echo, [BIG + k for k in range(20)], executor="process", workers=2)
        assert all(np.array_equal(v, BIG + k) for k, v in enumerate(result.values()))
        del result
        gc.collect()
    # What a worker holds for its next result is its own: one a worker.
    assert leases() <= before + 2


_kept: list[Any] = []


def keep(value: Any) -> float:
    _kept.append(value)
    return float(sum(v[0] for v in _kept))


def test_a_task_may_keep_its_argument() -> None:
    items = [np.full(50_000, float(k)) for k in range(30)]
    sums = centimane.parallel_map(keep, items, executor="process", workers=1).values()
    assert sums == [float(sum(range(k + 1))) for k in range(30)]


def drop_in_thread(value: Any) -> int:
    thread = threading.Thread(target=lambda held: held.sum(), args=(value,))
    thread.start()
    thread.join()
    return int(value.size)


def test_a_task_may_hand_its_argument_to_a_thread() -> None:
    result = centimane.parallel_map(drop_in_thread, [BIG] * 10, executor="process", workers=2)
    assert result.values() == [BIG.size] * 10


def in_a_fork(look: Callable[[], bool], until: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.read(until, 1)
            code = 0 if look() else 2
        finally:
            os._exit(code)
    return child


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_keeps_the_results_it_inherited() -> None:
    mine = centimane.parallel_map(make, [MIB, 20_000], executor="process", workers=2).values()

    def look() -> bool:
        good = bool((mine[0] == MIB).all() and (mine[1] == 20_000).all())
        mine[0][:] = 3  # is not seen by the parent
        mine.clear()
        gc.collect()
        return good

    read, write = os.pipe()
    child = in_a_fork(look, read)
    mine[1][:] = 4  # is not seen by the child
    assert (mine[0] == MIB).all()
    mine.clear()
    gc.collect()
    for k in range(6):  # new results must not come to lie where the child looks
        centimane.parallel_map(make, [MIB - k, 20_000 - k], executor="process", workers=2)
    os.write(write, b"x")
    os.close(write)
    os.close(read)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def die_with(value: Any) -> Any:
    if value[0] == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_a_death_costs_one_item_and_no_memory() -> None:
    items = [np.full(100_000, float(k)) for k in range(20)]
    result = centimane.parallel_map(die_with, items, executor="process", workers=2)
    failed = result.failures()
    assert [index for index, _ in failed] == [7]
    assert isinstance(failed[0][1], centimane.WorkerDied)
    for index, value in result.successes():
        assert np.array_equal(value, items[index])
    del result, failed, value
    gc.collect()
    assert leases() <= 2


def raise_with(value: Any) -> Any:
    raise ValueError(f"an array of {value.size}")


def test_an_error_gives_its_argument_back() -> None:
    result = centimane.parallel_map(raise_with, [BIG] * 6, executor="process", workers=2)
    assert {str(error) for _, error in result.failures()} == {f"an array of {BIG.size}"}
    assert leases() <= 2


class Loaded(Exception):
    """An error that carries what it is about."""


def raise_loaded(number: int) -> Any:
    if number % 3 == 0:
        raise Loaded(number, np.full(BIG.size, float(number)))
    if number % 3 == 1:
        raise ValueError("x" * 300_000 + str(number))
    return np.full(BIG.size, float(number))


@pytest.mark.parametrize("chunksize", [None, 2])
def test_an_error_may_hold_what_is_large(chunksize: int | None) -> None:
    result = centimane.parallel_map(raise_loaded, range(9), executor="process", workers=2, chunksize=chunksize)
    for index, error in result.failures():
        if index % 3 == 0:
            assert isinstance(error, Loaded)
            number, array = error.args
            assert number == index
            assert np.array_equal(array, np.full(BIG.size, float(index)))
            del array
        else:
            assert isinstance(error, ValueError)
            assert str(error).endswith(f"x{index}")
    assert [index for index, _ in result.successes()] == [2, 5, 8]
    for index, value in result.successes():
        assert np.array_equal(value, np.full(BIG.size, float(index)))
    del result, error, value
    gc.collect()
    assert leases() <= 2


class Half:
    """Large beside the record, then not to be pickled."""

    def __init__(self, number: int) -> None:
        self.array = np.full(BIG.size, float(number))

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle 'Half' object")


def make_half(number: int) -> Any:
    return [np.full(BIG.size, 1.0), Half(number)] if number % 2 else np.full(BIG.size, 2.0)


def test_a_result_that_fails_halfway_leaves_no_block_behind() -> None:
    result = centimane.parallel_map(make_half, range(6), executor="process", workers=2)
    assert [index for index, _ in result.failures()] == [1, 3, 5]
    assert all(isinstance(error, centimane.PayloadError) for _, error in result.failures())
    assert all(np.array_equal(value, np.full(BIG.size, 2.0)) for _, value in result.successes())
    del result
    gc.collect()
    assert leases() <= 2


def test_a_chunk_travels_as_one() -> None:
    items = [np.full(20_000, float(k)) for k in range(25)]
    result = centimane.parallel_map(echo, items, executor="process", workers=2, chunksize=4)
    for k, value in enumerate(result.values()):
        assert np.array_equal(value, items[k])


def test_a_stream_of_large_results_needs_the_memory_of_a_few() -> None:
    most = 0
    for result in centimane.parallel_iter(make, [MIB] * 40, executor="process", workers=2, window_size=4):
        assert result.error is None, repr(result.error)
        assert result.value is not None
        assert result.value[-1] == MIB
        del result
        most = max(most, leases())
    assert most <= 8


def more_than_there_is() -> tuple[mmap.mmap, Any]:
    """An array over addresses without memory, larger than the machine. Only who reads it would notice."""
    have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    no_reserve = 0x4000
    addresses = mmap.mmap(
        -1, have + (1 << 30), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve, prot=mmap.PROT_READ
    )
    return addresses, np.frombuffer(addresses, dtype=np.uint8)


def test_an_item_that_memory_has_no_room_for_is_refused_by_name() -> None:
    addresses, huge = more_than_there_is()
    result = centimane.parallel_map(echo, [1, huge, 3], executor="process", workers=2)
    ((index, error),) = result.failures()
    assert index == 1
    assert isinstance(error, centimane.ResourceLimit)
    assert "memory limit" in str(error)
    del huge, result, error
    gc.collect()
    addresses.close()
    assert leases() == 0


def make_huge(number: int) -> Any:
    return more_than_there_is()[1] if number == 1 else number


def test_a_result_that_memory_has_no_room_for_is_that_items_error() -> None:
    result = centimane.parallel_map(make_huge, range(4), executor="process", workers=2)
    ((index, error),) = result.failures()
    assert index == 1
    assert isinstance(error, centimane.ResourceLimit)
    assert result.successes() == [(0, 0), (2, 2), (3, 3)]
    assert leases() == 0


def test_small_values_have_no_block() -> None:
    data = [np.arange(10), b"x" * 1000, "text", {"a": [1, 2]}]
    assert [_core.encode(v)[:1] for v in data] == [b"P", b"b", b"s", b"P"]
    centimane.parallel_map(echo, data * 100, executor="process", workers=2)
    assert leases() == 0
