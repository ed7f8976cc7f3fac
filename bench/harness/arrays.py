"""The functions of the workloads with arrays, and how one is measured."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

Subject = Callable[[Callable[[Any], Any], object], Any]
Array = Any  # numpy's own names for its types differ between versions

_made: dict[int, Array] = {}


def array(size: int) -> Array:
    """An array of that many bytes; the same one each time, so that making it is not measured."""
    if size not in _made:
        _made.clear()
        _made[size] = (
            numpy.arange(size, dtype=numpy.uint8)
            if size < 256
            else numpy.resize(numpy.arange(251, dtype=numpy.uint8), size)
        )
    return _made[size]


def ends(values: Array) -> tuple[int, int, int]:
    """Takes an array, gives next to nothing."""
    return values.nbytes, int(values[0]), int(values[-1])


def echo(values: Array) -> Array:
    """Takes an array and gives it back."""
    return values


def look(values: Any) -> Any:
    """Takes an array or a shared one, reads both ends, gives it back."""
    looked = numpy.asarray(values)
    assert int(looked[0]) == 0
    assert looked[-1] >= 0
    return values


def look_by_name(name: str, size: int) -> str:
    """The same of the standard library's shared memory."""
    from multiprocessing.shared_memory import SharedMemory

    memory = SharedMemory(name)
    look(numpy.ndarray((size,), numpy.uint8, memory.buf))
    memory.close()
    return name


def milliseconds(
    subject: Subject,
    way: str,
    size: int,
    *,
    fill: float = 0.1,
    most: int = 50,
    warm: int = 0,
    keep: list[Array] | None = None,
) -> float:
    """The median of calls that fill some time: `in` takes an array, `out` gives one, `echo` does both. Results go into `keep`.

    `warm` calls come first that do not count: what is measured then is memory that is in use, not how long ago a competitor had its
    last turn.
    """
    function = {"in": ends, "out": array, "echo": echo}[way]
    expected = array(size)
    times: list[float] = []
    for _ in range(warm):
        subject(function, size if way == "out" else expected.copy())
    while not times or (sum(times) < fill and len(times) < most):
        result = None  # what was got before is given up first, unless it is kept
        # Another array each time: joblib, for one, does not send the same object twice.
        item: object = size if way == "out" else expected.copy()
        begin = time.perf_counter()
        result = subject(function, item)
        times.append(time.perf_counter() - begin)
        if way == "in":
            assert result == ends(expected), "wrong result"
        else:
            step = max(1, size // 64)
            assert result.nbytes == size, "wrong size"
            assert numpy.array_equal(result[::step], expected[::step]), "wrong result"
        if keep is not None:
            keep.append(result)
            break
    return statistics.median(times) * 1e3
