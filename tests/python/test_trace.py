"""trace=: a file that Perfetto and Chrome's tracing can read, whatever becomes of the run. No test looks at how long anything took."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centimane import Retry, RunStatus, StopToken, parallel, parallel_iter, parallel_map, parallel_starmap


def increment(n: int) -> int:
    return n + 1


def events_in(path: Path) -> list[dict[str, Any]]:
    """The events, after the rules that every trace keeps."""
    events: list[dict[str, Any]] = json.loads(path.read_text())["traceEvents"]
    names = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    for event in events:
        assert event["ph"] in ("X", "i", "M")
        assert (event["pid"], event["tid"]) in names, "each track has a name"
        assert event["ph"] != "X" or event["dur"] >= 0
    assert os.listdir(path.parent).count(path.name) == 1
    assert len(os.listdir(path.parent)) == 1, "nothing else is left there"
    return events


def attempts_in(events: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return sorted(
        (e["args"]["index"], e["args"]["attempt"], e["args"]["outcome"]) for e in events if e["name"].startswith("item")
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder / "run.json"


def test_one_slice_an_attempt(executor: str, path: Path) -> None:
    result = parallel_map(increment, range(200), executor=executor, workers=2, trace=path)
    assert result.values() == list(range(1, 201))
    assert result.insights.detailed, "what is measured is told"
    events = events_in(path)
    assert attempts_in(events) == [(i, 1, "value") for i in range(200)]
    tracks = {e["args"]["name"]: (e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert tracks["driver"] == (os.getpid(), os.getpid())
    assert "worker 0" in tracks
    assert (tracks["worker 0"][0] != os.getpid()) == (executor == "process")
    begun, ended = (next(e for e in events if e["name"] == name) for name in ("run begun", "run ended"))
    assert ended["args"]["status"] == "completed"
    for event in events:
        if event.get("cat") == "attempt":
            assert begun["ts"] <= event["ts"] <= event["ts"] + event["dur"] <= ended["ts"] + 0.01


def test_no_trace_by_default(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    parallel_map(increment, range(10))
    assert os.listdir() == []


def test_a_stream_and_a_starmap(executor: str, path: Path) -> None:
    stream = parallel_iter(increment, range(50), executor=executor, workers=2, trace=str(path))
    assert not path.exists()
    assert sorted(item.index for item in stream) == list(range(50))
    assert len(attempts_in(events_in(path))) == 50
    parallel_starmap(pow, [(2, 3)], executor=executor, workers=2, trace=path)
    assert len(attempts_in(events_in(path))) == 1, "an older file is replaced"


def test_a_stream_left_early(executor: str, path: Path) -> None:
    stream = parallel_iter(increment, range(10_000), executor=executor, workers=2, trace=path)
    next(stream)
    stream.close()
    ended = next(e for e in events_in(path) if e["name"] == "run ended")
    assert ended["args"]["status"] == "stopped"


def test_a_stream_that_was_never_begun_leaves_no_file(path: Path) -> None:
    stream = parallel_iter(increment, range(10), trace=path)
    del stream
    assert os.listdir(path.parent) == []


def test_retries_and_failures(executor: str, path: Path) -> None:
    def fails(n: int) -> int:
        if n == 1:
            raise ConnectionError
        return n

    retry = Retry(attempts=2, backoff=0.0, on=(ConnectionError,))
    parallel_map(fails, range(3), executor=executor, workers=2, retry=retry, trace=path)
    events = events_in(path)
    assert attempts_in(events) == [(0, 1, "value"), (1, 1, "error"), (1, 2, "error"), (2, 1, "value")]
    assert [e["args"]["attempt"] for e in events if e["name"] == "retry item 1"] == [2]


def test_deaths_and_timeouts(path: Path) -> None:
    def bad(n: int) -> int:
        if n == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        while n == 2:
            pass
        return n

    parallel_map(bad, range(4), executor="process", workers=1, task_timeout=2, trace=path)
    events = events_in(path)
    assert attempts_in(events) == [(0, 1, "value"), (1, 1, "worker died"), (2, 1, "timed out"), (3, 1, "value")]
    assert any(e["name"] == "died" and e["args"].get("signal") == signal.SIGKILL for e in events)
    assert any(e["name"] == "time out of item 2" for e in events)
    cut = [e for e in events if e["name"] == "item 1"]
    assert cut[0]["ph"] == "X", "its worker had said when it began"
    assert len({e["pid"] for e in events if e["name"] == "thread_name"}) >= 3, "the successor has a track of its own"


def test_a_run_that_raises(executor: str, path: Path) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("source")

    with pytest.raises(KeyError):
        parallel_map(increment, broken(), executor=executor, workers=2, trace=path)
    assert attempts_in(events_in(path)) == [(1 - 1, 1, "value")]

    def refuse(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        parallel_map(increment, range(100), executor=executor, workers=2, on_result=refuse, trace=path)
    assert any(e["name"] == "run ended" for e in events_in(path))


def test_a_run_that_is_stopped(path: Path) -> None:
    token = StopToken()
    started = threading.Event()

    def work(n: int) -> int:
        started.set()
        token.stop()
        return n

    result = parallel_map(work, range(1000), workers=2, stop=token, trace=path)
    assert result.status is RunStatus.CANCELLED
    ended = next(e for e in events_in(path) if e["name"] == "run ended")
    assert ended["args"]["status"] == "stopped"


def test_chunks(path: Path) -> None:
    parallel_map(increment, range(25), executor="process", workers=1, chunksize=10, trace=path)
    spans = sorted((e["args"]["index"], e["name"]) for e in events_in(path) if e["name"].startswith("items"))
    assert spans == [(0, "items 0-9"), (10, "items 10-19"), (20, "items 20-24")]


def test_the_umask_holds(path: Path) -> None:
    before = os.umask(0o027)
    try:
        parallel_map(increment, range(3), trace=path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("stream", [False, True])
def test_a_place_that_cannot_be_written(path: Path, stream: bool) -> None:
    calls: list[int] = []

    def run(trace: Any) -> None:
        if stream:
            parallel_iter(calls.append, [1], trace=trace)
        else:
            parallel_map(calls.append, [1], trace=trace)

    with pytest.raises(FileNotFoundError):
        run(path.parent / "missing" / "run.json")
    with pytest.raises(IsADirectoryError):
        run(path.parent)
    with pytest.raises(OSError, match="no regular file"):
        run("/dev/null")
    for bad in (3, True, 1.5, [path]):
        with pytest.raises(TypeError, match="trace must be a path, not"):
            run(bad)
    for bad in ("", "a\0b"):
        with pytest.raises(ValueError, match="trace must be the path of a file"):
            run(bad)
    assert calls == []
    assert os.listdir(path.parent) == []


def test_the_decorator_takes_it(path: Path) -> None:
    parallel(trace=path, workers=2)(increment).map(range(3))
    assert len(attempts_in(events_in(path))) == 3
