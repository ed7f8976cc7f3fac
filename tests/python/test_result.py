"""ParallelResult and ItemResult: a part never passes for the whole."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from centimane import Aborted, Cancelled, ItemResult, ParallelResult, RunStatus, TimedOut

BAD = ValueError("bad")


def test_all_well() -> None:
    result = ParallelResult([1, 2, 3])
    assert (list(result), result[0], result[-1], result[1:], len(result), bool(result)) == (
        [1, 2, 3],
        1,
        3,
        [2, 3],
        3,
        True,
    )
    assert repr(result) == "ParallelResult([1, 2, 3])"
    result.raise_on_failure()
    assert not ParallelResult([])


@pytest.mark.parametrize(
    "read", [list, lambda r: r[0], lambda r: r[:1], lambda r: r.values(), lambda r: r.raise_on_failure()]
)
def test_a_failure_is_raised_by_every_reading(read: object) -> None:
    result = ParallelResult([1, None], {1: BAD})
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as caught:
            read(result)  # type: ignore[operator]
        assert caught.value.exceptions == (BAD,)
    assert BAD.__notes__.count("centimane: item 1") == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(RunStatus.TIMED_OUT, TimedOut), (RunStatus.ABORTED, Aborted), (RunStatus.CANCELLED, Cancelled)],
)
def test_a_truncated_run_is_never_ok(status: RunStatus, error: type[Exception]) -> None:
    result = ParallelResult([1, 2], status=status)
    assert not result.ok
    with pytest.raises(error):
        list(result)
    assert result.ok_values() == [1, 2]
    assert status.value in repr(result)


def test_none_is_a_value() -> None:
    assert ParallelResult([None]).values() == [None]
    assert ItemResult(0, value=None).ok


def test_pickled_and_back() -> None:
    result = ParallelResult([1, None], {1: BAD})
    back = pickle.loads(pickle.dumps(result))
    assert back.successes() == [(0, 1)]
    assert type(back.failures()[0][1]) is ValueError
    item = ItemResult(3, value="v", attempts=2, duration=0.5)
    assert pickle.loads(pickle.dumps(item)) == item


def test_an_item_result_is_one_of_two_and_stays_so() -> None:
    for wrong in ({}, {"value": 1, "error": BAD}, {"error": "text"}, {"error": None}):
        with pytest.raises(ValueError, match=r"exactly one|exception"):
            ItemResult(0, **wrong)  # type: ignore[arg-type]
    item = ItemResult(0, error=BAD)
    with pytest.raises(AttributeError):
        item.value = 5  # type: ignore[misc]
    match item:
        case ItemResult(index=0, error=ValueError()):
            pass
        case _:
            pytest.fail("does not match")


@pytest.mark.parametrize("executor", ["process", "thread"])
def test_what_a_result_costs(executor: str) -> None:
    """Twelve bytes an item beside the objects: a place in the list and a duration, and no more than that while it is made."""
    program = f"""
import resource
from centimane import parallel_map
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def nothing(_):
    return None
parallel_map(nothing, range(10_000), executor={executor!r}, workers=2)
before = peak()
print(len(parallel_map(nothing, range(2_000_000), executor={executor!r}, workers=2)), peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    n, more = map(int, done.stdout.split())
    assert (n, done.stderr) == (2_000_000, "")
    assert more < 16 * n
