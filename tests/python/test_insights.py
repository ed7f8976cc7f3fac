"""Where a run's time went: what is always counted, and what insights=True adds. Nothing here asserts how long anything takes."""

from __future__ import annotations

import os
import pickle
import signal

import pytest

from centimane import Insights, ParallelIterator, Retry, SlowItem, WorkerInsights, parallel, parallel_iter, parallel_map


def increment(n: int) -> int:
    return n + 1


def items_of(seen: Insights) -> int:
    return sum(worker.items for worker in seen.workers)


def test_items_are_always_counted(executor: str) -> None:
    result = parallel_map(increment, range(5000), executor=executor, workers=2)
    seen = result.insights
    assert isinstance(seen, Insights)
    assert not seen.detailed
    assert (seen.items, seen.failed, seen.attempts, items_of(seen)) == (5000, 0, 5000, 5000)
    assert seen.elapsed > 0
    assert all(worker.busy == worker.idle == 0 for worker in seen.workers)
    assert len(seen.slowest) == 10, "durations of items are known in any case"
    assert seen.slowest[0].seconds == max(item.duration for item in result.item_results())
    assert "insights=True" in str(seen)


def test_times_are_taken_on_request(executor: str) -> None:
    result = parallel_map(increment, range(500), executor=executor, workers=2, insights=True)
    assert result.values() == list(range(1, 501))
    seen = result.insights
    assert seen.detailed
    assert (seen.items, items_of(seen)) == (500, 500)
    assert seen.workers
    for worker in seen.workers:
        assert worker.busy == pytest.approx(worker.running + worker.serialisation)
        assert worker.idle >= 0
        assert (worker.pid != 0) == (executor == "process")
        assert (worker.serialisation > 0) == (executor == "process" and worker.items > 0)
    seconds = [slow.seconds for slow in seen.slowest]
    assert len(seconds) == 10
    assert seconds == sorted(seconds, reverse=True)
    assert str(seen).startswith("500 items in ")
    assert seen.encoding > 0
    assert executor != "process" or seen.decoding > 0


@pytest.mark.parametrize("asked", [False, True])
def test_failures_and_attempts(executor: str, asked: bool) -> None:
    def fails(n: int) -> int:
        if n % 5 == 0:
            raise ConnectionError
        return n

    retry = Retry(attempts=3, backoff=0.0, on=(ConnectionError,))
    seen = parallel_map(fails, range(20), executor=executor, workers=2, retry=retry, insights=asked).insights
    assert (seen.items, seen.failed, seen.attempts, items_of(seen)) == (20, 4, 28, 20)


@pytest.mark.parametrize("asked", [False, True])
def test_chunks_are_counted_as_items(asked: bool) -> None:
    seen = parallel_map(
        lambda n: 1 // (n % 10), range(103), executor="process", workers=2, chunksize=10, insights=asked
    ).insights
    assert (seen.items, seen.failed, seen.attempts, items_of(seen)) == (103, 11, 103, 103)
    if asked:
        assert all(slow.index % 10 == 0 for slow in seen.slowest)


def test_a_stream_has_them_while_it_runs(executor: str) -> None:
    stream = parallel_iter(increment, iter(range(3000)), executor=executor, workers=2, window_size=100, insights=True)
    assert isinstance(stream, ParallelIterator)
    assert iter(stream) is stream
    assert stream.insights.items == 0
    for taken, _ in enumerate(stream, 1):
        if taken % 500 == 0:
            assert taken <= stream.insights.items <= taken + 100
    seen = stream.insights
    assert (seen.items, items_of(seen)) == (3000, 3000)
    assert stream.insights == seen, "as it was at its end"


def test_of_a_stream_that_was_left_early(executor: str) -> None:
    stream = parallel_iter(increment, range(1000), executor=executor, workers=2)
    next(stream)
    stream.close()
    stream.close()
    assert stream.insights.items >= 1
    assert list(stream) == []


def test_a_death_is_seen() -> None:
    def fragile(n: int) -> int:
        if n == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return n

    seen = parallel_map(fragile, range(8), executor="process", workers=1, insights=True).insights
    assert (seen.items, seen.failed) == (8, 1)
    assert items_of(seen) == 8
    assert sum(worker.processes for worker in seen.workers) >= 2


def test_large_results_are_timed_too() -> None:
    result = parallel_map(lambda n: bytes(n), [200_000] * 4, executor="process", workers=1, insights=True)
    assert len(result.values()[3]) == 200_000
    assert len(result.insights.slowest) == 4
    assert result.insights.workers[0].serialisation > 0


def test_they_are_plain_values() -> None:
    result = parallel_map(increment, range(10), insights=True)
    seen = result.insights
    assert pickle.loads(pickle.dumps(seen)) == seen
    assert pickle.loads(pickle.dumps(result)).insights == seen
    assert isinstance(seen.workers[0], WorkerInsights)
    assert isinstance(seen.slowest[0], SlowItem)
    assert seen != seen.workers[0]
    assert hash(seen) == hash(result.insights)
    assert repr(seen.slowest[0]).startswith("SlowItem(index=")
    with pytest.raises(AttributeError, match="cannot be changed"):
        seen.items = 3


def test_the_decorator_takes_the_option() -> None:
    decorated = parallel(insights=True, workers=2)(increment)
    assert decorated.map(range(3)).insights.detailed
    assert not decorated.map(range(3), insights=False).insights.detailed
    stream = decorated.stream(range(3))
    assert list(stream)
    assert stream.insights.detailed


@pytest.mark.parametrize("bad", [1, 0, "yes", None])
def test_insights_must_be_a_bool(bad: object) -> None:
    with pytest.raises(TypeError, match="insights must be True or False"):
        parallel_map(increment, [1], insights=bad)  # type: ignore[arg-type]
