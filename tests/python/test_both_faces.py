"""Files that both faces use: a limiter that Python and C++ programs share, checkpoints whose metadata each reads of the other."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from centimane import CheckpointError, Limiter, RateLimit, Retry, StopToken, checkpoint_info, parallel_map
from centimane.events import LimiterPaused

HERE = Path(__file__).parent
SCENARIO = shutil.which(os.environ.get("CENTIMANE_SCENARIO", ""))
needs_cpp = pytest.mark.skipif(
    SCENARIO is None, reason="CENTIMANE_SCENARIO does not name the built C++ scenario program"
)
Taken = list[list[int]]

HAMMER = """
import json, sys, time
from centimane import Limiter, RateLimit

plan = json.loads(sys.argv[1])
limiter = Limiter(RateLimit(plan["count"], burst=plan["burst"]), shared=plan["file"])
if "pause" in plan:
    limiter.pause(plan["pause"])
taken = []
while len(taken) < plan["tokens"]:
    after = time.monotonic_ns()
    if limiter.wait(0):
        taken.append((after, time.monotonic_ns()))
print(json.dumps({"value": taken}))
"""


def program(face: str, plan: dict[str, Any], env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    how = [SCENARIO or "", json.dumps(plan)] if face == "c++" else [sys.executable, "-c", HAMMER, json.dumps(plan)]
    return subprocess.Popen(how, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | (env or {}))


def answer(of: subprocess.Popen[bytes]) -> dict[str, Any]:
    text, _ = of.communicate()
    assert of.returncode == 0
    return json.loads(text)  # type: ignore[no-any-return]


def densest(taken: Taken, span: int) -> int:
    """The most tokens that were certainly taken in one half-open span: of each it is known between which two moments."""
    return max(sum(after >= first and before < first + span for after, before in taken) for first, _ in taken)


@needs_cpp
def test_processes_of_both_faces_draw_from_one_file(tmp_path: Path) -> None:
    plan = {"both_faces": "take", "file": str(tmp_path / "limit"), "count": 2000, "burst": 3, "tokens": 80}
    all_at_once = [program(face, plan) for face in ("python", "c++", "python", "c++")]
    taken: Taken = [pair for one in all_at_once for pair in answer(one)["value"]]
    assert len(taken) == 320
    between = 500_000
    for count in (1, 2, 5, 20, 100):
        assert densest(taken, count * between) <= count + 3 - 1
    assert (tmp_path / "limit").stat().st_mode & 0o777 == 0o600


@needs_cpp
@pytest.mark.parametrize("rate", [0.3, 7, 49, 90 / 60, 1234.567, 3e6], ids=str)
def test_both_faces_reckon_a_rate_alike(tmp_path: Path, rate: float) -> None:
    limiter = Limiter(RateLimit(rate, burst=2), shared=tmp_path / "limit")
    assert limiter.wait(0)
    plan = {"both_faces": "take", "file": str(tmp_path / "limit"), "count": rate, "burst": 2, "tokens": 1}
    assert len(answer(program("c++", plan))["value"]) == 1
    assert "is for another rate" in answer(program("c++", plan | {"burst": 3}))["error"]


@pytest.mark.parametrize("face", ["python", pytest.param("c++", marks=needs_cpp)])
def test_a_pause_is_seen_by_every_process(tmp_path: Path, face: str) -> None:
    limiter = Limiter(1000, shared=tmp_path / "limit")
    assert limiter.wait(0)
    plan = {
        "both_faces": "take",
        "file": str(tmp_path / "limit"),
        "count": 1000,
        "burst": 1,
        "tokens": 0,
        "pause": 3600,
    }
    answer(program(face, plan))
    assert not limiter.wait(600)


@pytest.mark.parametrize("face", ["python", pytest.param("c++", marks=needs_cpp)])
@pytest.mark.parametrize("point", ["common_file.held:1", "budget.half_made:1", "budget.take:7"])
def test_who_is_killed_anywhere_holds_nobody_up(tmp_path: Path, face: str, point: str) -> None:
    plan = {"both_faces": "take", "file": str(tmp_path / "limit"), "count": 1e6, "burst": 1, "tokens": 100}
    killed = program(face, plan, {"CENTIMANE_FAULT_POINT": f"{point}:kill"})
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    limiter = Limiter(1e6, shared=tmp_path / "limit")
    limiter.wait()
    assert len(answer(program("python", plan))["value"]) == 100


def test_a_stopped_process_holds_nobody_up(tmp_path: Path) -> None:
    plan = {"file": str(tmp_path / "limit"), "count": 1e6, "burst": 1, "tokens": 100}
    stopped = program("python", plan, {"CENTIMANE_FAULT_POINT": "budget.take:7:stop"})
    seen = os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert seen is not None
    assert seen.si_code == os.CLD_STOPPED  # fault points are compiled into test builds alone
    Limiter(1e6, shared=tmp_path / "limit").wait()
    stopped.send_signal(signal.SIGCONT)
    assert len(answer(stopped)["value"]) == 100


def test_many_that_start_at_once_make_one_file(tmp_path: Path) -> None:
    plan = {"file": str(tmp_path / "limit"), "count": 1 / 3600, "burst": 40, "tokens": 10}
    assert sum(len(answer(one)["value"]) for one in [program("python", plan) for _ in range(4)]) == 40
    assert not Limiter(RateLimit(1, "hour", burst=40), shared=tmp_path / "limit").wait(0)


# ---- the Python face's own


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_runs_draw_from_the_file(tmp_path: Path, executor: Any) -> None:
    one, other = (Limiter(RateLimit(1, "hour", burst=5), shared=tmp_path / "limit") for _ in range(2))
    assert parallel_map(abs, [1, 2], executor=executor, workers=2, rate_limit=one).ok
    assert parallel_map(abs, [1, 2, 3], executor=executor, workers=2, rate_limit=other).ok
    assert not one.wait(0)


def throttled(_: int) -> None:
    raise ConnectionError("429")


def test_a_servers_wait_in_a_worker_process_pauses_all_who_share(tmp_path: Path) -> None:
    limiter, elsewhere = (Limiter(1e6, shared=tmp_path / "limit") for _ in range(2))
    stop = StopToken()

    def told(event: object) -> None:
        if isinstance(event, LimiterPaused):
            stop.stop()

    retry = Retry(attempts=2, wait_from=lambda _: 3600.0, max_server_wait=None)
    how: Any = {"executor": "process", "workers": 1, "retry": retry, "stop": stop, "on_event": told}
    parallel_map(throttled, [1], rate_limit=limiter, **how)
    assert not elsewhere.wait(600)


def wait_in_worker(limiter: Limiter) -> bool:
    return limiter.wait(0)


def test_a_shared_limiter_travels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    limiter = Limiter(RateLimit(1, "hour", burst=3), shared="limit")
    assert limiter.shared == str(tmp_path / "limit")
    copy = pickle.loads(pickle.dumps(limiter))
    assert copy.rate_limit == limiter.rate_limit
    assert copy.wait(0)
    assert parallel_map(wait_in_worker, [limiter] * 3, executor="process", workers=2).values().count(True) == 2
    with pytest.raises(TypeError, match="shared="):
        pickle.dumps(Limiter(1))
    assert repr(limiter).endswith(f", shared={limiter.shared!r})")
    assert Limiter(1).shared is None


def test_a_fork_draws_from_the_file_too(tmp_path: Path) -> None:
    limiter = Limiter(RateLimit(1, "hour", burst=2), shared=tmp_path / "limit")
    child = os.fork()
    if child == 0:
        os._exit(0 if limiter.wait(0) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert limiter.wait(0)
    assert not limiter.wait(0)


def test_files_that_are_refused(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.write_text("not a limiter's")
    with pytest.raises(ValueError, match="is not a limiter's"):
        Limiter(1, shared=notes)
    Limiter(1, shared=tmp_path / "limit")
    with pytest.raises(ValueError, match="is for another rate"):
        Limiter(2, shared=tmp_path / "limit")
    (tmp_path / "limit").chmod(0o622)
    with pytest.raises(ValueError, match="chmod 600"):
        Limiter(1, shared=tmp_path / "limit")
    (tmp_path / "link").symlink_to(notes)
    with pytest.raises(ValueError, match="is no plain file"):
        Limiter(1, shared=tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        Limiter(1, shared=tmp_path / "none" / "limit")


def test_a_thread_in_line_sleeps_through_a_pause_of_another(tmp_path: Path) -> None:
    limiter, other = (Limiter(1000, shared=tmp_path / "limit") for _ in range(2))
    other.pause(0.05)
    took: list[bool] = []
    thread = threading.Thread(target=lambda: took.append(limiter.wait()))
    thread.start()
    other.pause(0.1)
    thread.join()
    assert took == [True]


# ---- checkpoints


def square(n: int) -> int:
    return n * n


@needs_cpp
def test_each_face_reads_the_others_metadata_and_refuses_its_values(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "python.ckpt", tmp_path / "cpp.ckpt"
    parallel_map(square, [1, 2], executor="sequential", checkpoint=ours, checkpoint_version="v1")
    assert answer(program("c++", {"both_faces": "record", "file": str(theirs)})) == {"value": True}

    info = checkpoint_info(theirs)
    assert (info.face, info.checkpoint_version, info.completed) == ("c++", "v1", 3)
    assert info.task_signature is not None
    assert info.task_signature.startswith("squares (int) -> int")
    facts = answer(program("c++", {"both_faces": "look", "file": str(ours)}))["value"]
    assert (facts["face"], facts["version"], facts["completed"]) == ("python", "v1", 2)
    assert facts["function"] == checkpoint_info(ours).task_signature

    before = theirs.read_bytes(), ours.read_bytes()
    with pytest.raises(CheckpointError, match=r"written by a c\+\+ program, whose values Python cannot read.*[Gg]ive"):
        parallel_map(square, [1, 2, 3], executor="sequential", checkpoint=theirs, checkpoint_version="v1")
    refusal = answer(program("c++", {"both_faces": "record", "file": str(ours)}))["error"]
    assert "was written by python, whose values C++ cannot read" in refusal
    assert (theirs.read_bytes(), ours.read_bytes()) == before
