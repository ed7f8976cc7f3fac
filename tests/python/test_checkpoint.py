"""What a checkpoint promises a run: what was recorded is not run again, and nothing is told of before it is recorded."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from centimane import (
    CheckpointError,
    ItemResult,
    RateLimit,
    Retry,
    StopToken,
    async_parallel_iter,
    async_parallel_map,
    checkpoint_info,
    parallel,
    parallel_iter,
    parallel_map,
    parallel_starmap,
)

CALLS: Counter[Any] = Counter()


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "work.ckpt"


def note(n: int) -> int:
    CALLS[n] += 1
    return n * n


def only_even(n: int) -> int:
    CALLS[n] += 1
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n


def test_the_second_run_runs_nothing(file: Path, executor: str) -> None:
    first = parallel_map(note, range(50), executor=executor, workers=3, checkpoint=file)
    before = Counter(CALLS)
    second = parallel_map(note, range(50), executor=executor, workers=3, checkpoint=str(file))
    assert list(first) == list(second) == [n * n for n in range(50)]
    assert before == CALLS
    assert {r.attempts for r in first.item_results()} == {1}
    assert {(r.attempts, r.duration) for r in second.item_results()} == {(0, 0.0)}
    assert list(file.parent.iterdir()) == [file]  # no log is left beside it
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("items", [range(60), [*range(60)], iter(range(60))], ids=["range", "list", "iterator"])
def test_a_run_goes_on_where_it_was_stopped(file: Path, items: Any) -> None:
    stop = StopToken()

    def seen(result: ItemResult[int]) -> None:
        if result.index == 20:
            stop.stop()

    cut = parallel_map(note, range(60), executor="sequential", checkpoint=file, on_result=seen, stop=stop)
    assert not cut.ok
    assert len(cut) == 60
    assert len(cut.successes()) == 21
    told: list[tuple[int, int]] = []
    whole = parallel_map(
        note, items, workers=4, checkpoint=file, on_progress=lambda done, total: told.append((done, total))
    )
    assert list(whole) == [n * n for n in range(60)]
    assert set(CALLS.values()) == {1}
    assert [done for done, _ in told] == [*range(1, 61)]


@pytest.mark.parametrize("ordered", [True, False])
def test_streams(file: Path, executor: str, ordered: bool) -> None:
    stream = parallel_iter(note, iter(range(40)), executor=executor, workers=2, ordered=ordered, checkpoint=file)
    early = [next(stream).index for _ in range(10)]
    stream.close()
    recorded = checkpoint_info(file).completed
    assert recorded >= 10
    results = list(parallel_iter(note, iter(range(40)), executor=executor, workers=2, ordered=ordered, checkpoint=file))
    assert sorted((r.index, r.value) for r in results) == [(n, n * n) for n in range(40)]
    if ordered:
        assert [r.index for r in results] == [*range(40)]
    assert {r.index for r in results if r.attempts == 0} >= set(early)
    assert sum(r.attempts == 0 for r in results) == recorded


def test_a_window_smaller_than_what_is_recorded(file: Path) -> None:
    parallel_map(note, range(100), sequential=True, checkpoint=file)
    results = parallel_iter(note, iter(range(120)), workers=2, window_size=3, ordered=True, checkpoint=file)
    assert [r.value for r in results] == [n * n for n in range(120)]
    assert set(CALLS.values()) == {1}


def test_starmap(file: Path) -> None:
    for _ in range(2):
        assert list(parallel_starmap(pow, [(2, 3), (3, 2)], checkpoint=file, item_key=lambda pair: pair[0])) == [8, 9]
    assert checkpoint_info(file).completed == 2


def test_failures_are_not_recorded(file: Path, executor: str) -> None:
    first = parallel_map(only_even, range(10), executor=executor, workers=2, checkpoint=file)
    assert len(first.failures()) == 5
    assert checkpoint_info(file).completed == 5
    second = parallel_map(only_even, range(10), executor=executor, workers=2, checkpoint=file)
    assert [i for i, _ in second.failures()] == [1, 3, 5, 7, 9]
    assert [r.attempts for r in second.item_results()] == [0, 1] * 5


def test_what_succeeds_at_a_later_attempt_is_recorded(file: Path) -> None:
    def flaky(n: int) -> int:
        CALLS[n] += 1
        if CALLS[n] == 1:
            raise ConnectionError
        return n

    retry = Retry(attempts=3, backoff=0, on=(ConnectionError,))
    assert list(parallel_map(flaky, range(5), workers=2, retry=retry, checkpoint=file)) == [*range(5)]
    assert list(parallel_map(flaky, range(5), workers=2, retry=retry, checkpoint=file)) == [*range(5)]
    assert set(CALLS.values()) == {2}


def test_recorded_items_take_no_token(file: Path) -> None:
    parallel_map(note, range(20), checkpoint=file)
    slow = RateLimit(1, per="hour")
    assert parallel_map(note, range(20), checkpoint=file, rate_limit=slow, timeout=300).ok


def test_what_was_told_is_recorded(file: Path, executor: str) -> None:
    """A reader of the file, which sees what is committed, asked from inside each callback."""
    missing: list[int] = []

    def seen(result: ItemResult[int]) -> None:
        reader = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        if reader.execute("SELECT 1 FROM done WHERE key = ?", (b"#%d" % result.index,)).fetchone() is None:
            missing.append(result.index)
        reader.close()

    assert parallel_map(note, range(40), executor=executor, workers=3, checkpoint=file, on_result=seen).ok
    assert missing == []


def test_a_changed_item_is_run_again(file: Path) -> None:
    parallel_map(note, [1, 2, 3], checkpoint=file)
    assert list(parallel_map(note, [1, 5, 3], checkpoint=file)) == [1, 25, 9]
    assert CALLS == {1: 1, 2: 1, 3: 1, 5: 1}


def test_keys_let_items_move(file: Path) -> None:
    key = str
    parallel_map(note, [1, 2, 3], checkpoint=file, item_key=key)
    result = parallel_map(note, [7, 3, 2, 1], checkpoint=file, item_key=key)
    assert list(result) == [49, 9, 4, 1]
    assert set(CALLS.values()) == {1}
    assert [r.key for r in result.item_results()] == ["7", "3", "2", "1"]


def test_keys_of_each_type_are_rows_of_their_own(file: Path) -> None:
    items = [1, "1", b"1", "#0"]
    for _ in range(2):
        assert list(parallel_map(repr, items, checkpoint=file, item_key=lambda item: item)) == [repr(i) for i in items]
    assert checkpoint_info(file).completed == 4


def test_two_items_with_one_key(file: Path) -> None:
    with pytest.raises(CheckpointError, match=r"two items have the key 0 .*checkpoint_key"):
        parallel_map(note, range(10), checkpoint=file, item_key=lambda n: n % 3)
    assert checkpoint_info(file).completed == 3  # what came before is carried to its end
    result = parallel_map(note, range(10), checkpoint=file, item_key=lambda n: n % 3, checkpoint_key=str)
    assert result.ok
    assert [r.key for r in result.item_results()] == [n % 3 for n in range(10)]


def test_item_key_without_a_checkpoint(executor: str) -> None:
    seen: list[object] = []
    result = parallel_map(
        only_even,
        [0, 1, 2],
        executor=executor,
        workers=2,
        item_key=lambda n: f"k{n % 2}",
        on_result=lambda r: seen.append(r.key),
    )
    assert [r.key for r in result.item_results()] == ["k0", "k1", "k0"]
    assert sorted(map(str, seen)) == ["k0", "k0", "k1"]
    with pytest.raises(ExceptionGroup) as caught:
        result.values()
    assert caught.value.exceptions[0].__notes__ == ["centimane: item 1 (key 'k1')"]
    stream = parallel_iter(note, [3, 4], executor=executor, workers=2, ordered=True, item_key=str)
    assert [r.key for r in stream] == ["3", "4"]
    assert ItemResult(0, value=1, key="a") != ItemResult(0, value=1)
    assert "key='a'" in repr(ItemResult(0, value=1, key="a"))


def test_a_key_is_asked_for_once(file: Path) -> None:
    asked: list[int] = []

    def key(n: int) -> int:
        asked.append(n)
        return n

    parallel_map(note, range(5), checkpoint=file, item_key=key, checkpoint_key=key)
    assert asked == [*range(5)]


@pytest.mark.parametrize("bad", [None, 1.5, True, ("a",)])
def test_bad_keys(file: Path, bad: Any) -> None:
    with pytest.raises(TypeError, match="item_key must return a str, an int or bytes"):
        parallel_map(note, range(5), item_key=lambda _: bad)
    with pytest.raises(TypeError, match="checkpoint_key must return a str, an int or bytes"):
        parallel_map(note, range(5), checkpoint=file, checkpoint_key=lambda _: bad)
    assert not CALLS


def test_a_key_function_that_raises(file: Path) -> None:
    def key(n: int) -> int:
        return 1 // (3 - n)

    with pytest.raises(ZeroDivisionError):
        parallel_map(note, range(10), sequential=True, checkpoint=file, checkpoint_key=lambda n: n + 0 * key(n))
    assert sorted(CALLS) == [0, 1, 2]  # what came before it was carried to its end


def test_bad_arguments(file: Path) -> None:
    with pytest.raises(ValueError, match="need checkpoint="):
        parallel_map(note, [1], checkpoint_version=1)
    with pytest.raises(ValueError, match="need checkpoint="):
        parallel_map(note, [1], checkpoint_key=str)
    with pytest.raises(TypeError, match="item_key must be callable"):
        parallel_map(note, [1], item_key="id")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="chunksize"):
        parallel_map(note, [1], executor="process", chunksize=2, checkpoint=file)
    with pytest.raises(ValueError, match="chunksize"):
        parallel_iter(note, [1], executor="process", chunksize=2, item_key=str)
    with pytest.raises(TypeError):
        parallel_map(note, [1], checkpoint=5)  # type: ignore[arg-type]
    for version in (1.5, True, [1], ("a", None)):
        with pytest.raises(TypeError, match="checkpoint_version must be"):
            parallel_map(note, [1], checkpoint=file, checkpoint_version=version)  # type: ignore[arg-type]
    assert not file.exists()


def test_a_result_that_cannot_be_written(file: Path, executor: str) -> None:
    with pytest.raises(CheckpointError, match="the result of item 3 cannot be written"):
        parallel_map(lock_for_three, range(8), executor="sequential", checkpoint=file)
    assert checkpoint_info(file).completed == 3


def lock_for_three(n: int) -> Any:
    return threading.Lock() if n == 3 else n


def test_an_item_that_cannot_be_pickled(file: Path) -> None:
    with pytest.raises(CheckpointError, match="item 1 cannot be pickled"):
        parallel_map(str, [1, threading.Lock(), 3], sequential=True, checkpoint=file)


def test_the_decorator(file: Path) -> None:
    decorated = parallel(workers=2, checkpoint=file)(note)
    assert list(decorated.map(range(5))) == list(decorated.map(range(5))) == [0, 1, 4, 9, 16]
    assert [r.value for r in decorated.stream(range(6), ordered=True, item_key=str, checkpoint=None)] == [
        0,
        1,
        4,
        9,
        16,
        25,
    ]
    assert CALLS[0] == 2


class Scaled:
    def __init__(self, by: int) -> None:
        self.by = by

    def times(self, n: int) -> int:
        return n * self.by

    @parallel
    def mapped(self, n: int) -> int:
        return n * self.by

    def __call__(self, n: int) -> int:
        return n * self.by


def test_objects_need_a_version(file: Path) -> None:
    three = Scaled(3)
    for call in (three.times, three):
        with pytest.raises(CheckpointError, match="its object's state is not seen"):
            parallel_map(call, [1], checkpoint=file)
    with pytest.raises(CheckpointError, match="its object's state is not seen"):
        three.mapped.map([1], checkpoint=file)
    assert list(three.mapped.map([1], checkpoint=file, checkpoint_version=3)) == [3]
    with pytest.raises(CheckpointError, match="checkpoint_version=3, and this is 4"):
        Scaled(4).mapped.map([1], checkpoint=file, checkpoint_version=4)


def test_what_belongs_to_a_function(file: Path) -> None:
    def times(by: int) -> Any:
        return lambda n: n * by

    assert list(parallel_map(times(2), [1], checkpoint=file)) == [2]
    assert list(parallel_map(times(2), [1, 2], checkpoint=file)) == [2, 4]  # made anew, and the same
    others = [times(3), functools.partial(pow, 2), lambda n, by=2: n * by, lambda n: n * 4, note, len]
    for other in others:
        with pytest.raises(CheckpointError, match="another function or of other code"):
            parallel_map(other, [1], checkpoint=file)


@pytest.mark.parametrize("version", ["v1", 7, b"\0", ("model", 3), None])
def test_versions(file: Path, version: Any) -> None:
    parallel_map(note, [1], checkpoint=file, checkpoint_version=version)
    assert checkpoint_info(file).checkpoint_version == version
    assert parallel_map(note, [1], checkpoint=file, checkpoint_version=version).ok
    with pytest.raises(CheckpointError, match="checkpoint_version="):
        parallel_map(note, [1], checkpoint=file, checkpoint_version="other")


@pytest.mark.parametrize("form", ["coroutine", "thread", "process"])
def test_on_an_event_loop(file: Path, form: str) -> None:
    async def squared(n: int) -> int:
        return note(n)

    async def items(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    async def main() -> None:
        how: Any = {
            "executor": None if form == "coroutine" else form,
            "workers": 2,
            "checkpoint": file,
            "item_key": str,
        }
        function: Any = squared if form == "coroutine" else note
        async with aclosing(async_parallel_iter(function, items(40), **how)) as stream:
            async for result in stream:
                assert result.key == str(result.index)
                if result.index == 20:
                    break
        recorded = checkpoint_info(file).completed
        assert recorded > 0
        whole = await async_parallel_map(function, items(60), **how)
        assert list(whole) == [n * n for n in range(60)]
        assert sum(r.attempts == 0 for r in whole.item_results()) == recorded
        again = await async_parallel_map(function, range(60), **how)
        assert {r.attempts for r in again.item_results()} == {0}

    asyncio.run(main())


def test_one_run_at_a_time(file: Path) -> None:
    stream = parallel_iter(note, range(10), checkpoint=file)
    next(stream)
    with pytest.raises(CheckpointError, match="in use by a run of this process"):
        parallel_map(note, range(10), checkpoint=file)
    assert checkpoint_info(file).completed >= 1  # looking is no run
    stream.close()
    assert parallel_map(note, range(10), checkpoint=file).ok


def test_interrupted_between_value_and_row(file: Path) -> None:
    """A callback's error ends the run; what was told before it is there."""

    def seen(result: ItemResult[int]) -> None:
        if result.index == 5:
            raise KeyError("no more")

    with pytest.raises(KeyError):
        parallel_map(note, range(20), sequential=True, checkpoint=file, on_result=seen)
    assert checkpoint_info(file).completed == 6
