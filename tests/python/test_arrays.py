"""NumPy payloads come back as they went: dtypes, strides, emptiness, masks, read-only buffers."""

from __future__ import annotations

import os

import pytest

from centimane import parallel_map

np = pytest.importorskip("numpy")

READ_ONLY = np.arange(4)
READ_ONLY.flags.writeable = False

ARRAYS = {
    "empty": np.zeros(0),
    "empty_2d": np.zeros((3, 0)),
    "0d": np.array(5.0),
    "scalar": np.float32(3),
    "strided": np.arange(10)[::2],
    "reversed": np.arange(10)[::-1],
    "transposed": np.arange(12).reshape(3, 4).T,
    "fortran": np.asfortranarray(np.ones((3, 4))),
    "big_endian": np.arange(5, dtype=">i4"),
    "text": np.array(["a", "bc"]),
    "objects": np.array([1, None, "x"], dtype=object),
    "structured": np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    "masked": np.ma.array([1, 2], mask=[0, 1]),
    "dates": np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
    "nan": np.array([np.nan, np.inf, -0.0]),
    "read_only": READ_ONLY,
    "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    "large": np.arange(1_000_000, dtype=np.int32),
    "larger_than_a_ring": np.ones(2_000_000),
}


@pytest.mark.parametrize("chunksize", [1, 3])
@pytest.mark.parametrize("name", ARRAYS)
def test_61_round_trip(name: str, chunksize: int) -> None:
    sent = ARRAYS[name]
    for back in parallel_map(lambda a: a, [sent] * 4, executor="process", workers=2, chunksize=chunksize):
        assert type(back) is type(sent)
        assert back.dtype == sent.dtype
        assert back.shape == sent.shape
        assert str(back) == str(sent)
        assert bool(np.all((np.asarray(back) == np.asarray(sent)) | (np.asarray(back) != np.asarray(back))))


def test_tasks_may_write_to_their_arguments_and_callers_to_results() -> None:
    def add(a: object) -> object:
        a += 1  # type: ignore[operator]
        return a

    sent = [np.ones(n) for n in (1, 1000, 1_000_000)]
    for before, after in zip(sent, parallel_map(add, sent, executor="process", workers=2), strict=True):
        assert before[0] == 1
        assert after.min() == after.max() == 2
        after[:] = 7


@pytest.mark.parametrize("start", ["zygote", "fork"])
def test_workers_draw_different_random_numbers(start: str) -> None:
    def draw(_: int) -> tuple[int, float]:
        return os.getpid(), float(np.random.rand())  # the global state is what a fork copies

    drawn = parallel_map(draw, range(40), executor="process", workers=4, start=start).values()  # type: ignore[arg-type]
    assert len({number for _, number in drawn}) == 40
