"""A contest goes on whatever its competitors do, says what they did, and leaves nothing of them behind."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from harness import catalog, contest, processes
from harness.records import Record

BENCH = catalog.BENCH
WORKLOAD = '''
"""Somebody answers twice what he is given."""
from harness.records import Case

CASES = [Case("one", "s", "lower"), Case("two", "s", "lower")]
LIMIT = 5


def measure(subject, run, quick):
    value = subject(run)
    assert value in (1, 2), "wrong results"
    return float(value)
'''
OPEN = """
from contextlib import contextmanager

@contextmanager
def competitor():
    {before}
    yield lambda run: {value}
    {after}
"""
HEAD = "import os, signal, subprocess, sys"
# A daemon: a session of its own, no parent, no mark.
DAEMON = "subprocess.run([sys.executable, '-c', 'import os, signal\\nif os.fork() == 0:\\n    os.setsid()\\n    signal.pause()'], env={})"
COMPETITORS = {
    "centimane": 'NAME = "good"' + OPEN.format(before="pass", value="1 if run == 'one' else 2", after="pass"),
    "absent": 'NAME = "absent"\nDISTRIBUTION = "no-such-distribution-at-all"',
    "broken": 'NAME = "broken"\nraise ImportError("no library")',
    "dies": HEAD + OPEN.format(before="pass", value="os._exit(3) if run == 'one' else 2", after="pass"),
    "hangs": HEAD + OPEN.format(before="pass", value="signal.pause() if run == 'one' else 2", after="pass"),
    "wrong": HEAD + OPEN.format(before="pass", value="3 if run == 'one' else 2", after="pass"),
    "leaves": HEAD + OPEN.format(before=DAEMON, value="1", after="pass"),
    "noisy": "NOISY = True\n" + HEAD + OPEN.format(before="pass", value="1", after="pass"),
}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, set[int]]:
    """The contest's record, and which processes it left."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "harness").symlink_to(BENCH / "harness")
    (folder / "some_workload").mkdir()
    (folder / "some_workload" / "workload.py").write_text(WORKLOAD, encoding="utf-8")
    for name, source in COMPETITORS.items():
        (folder / "some_workload" / f"{name}.py").write_text(source, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "BENCH", folder)
        patch.setattr(contest, "BENCH", folder)
        patch.syspath_prepend(str(folder))
        processes.adopt_orphans()
        try:
            before = processes.orphans()
            told = contest.run("some_workload", 2, folder / "build", quick=False, tell=print)
            return told, processes.orphans() - before
        finally:
            processes.adopt_orphans(False)


@pytest.fixture
def record(held: tuple[Record, set[int]]) -> Record:
    return held[0]


def test_who_does_well_has_a_value_for_each_round(record: Record) -> None:
    assert record.entries["centimane"].values == {"one": [1.0, 1.0], "two": [2.0, 2.0]}
    assert record.entries["noisy"].values == {"one": [1.0, 1.0], "two": [1.0, 1.0]}
    assert record.entries["leaves"].values == {"one": [1.0, 1.0], "two": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("who", "why"),
    [("dies", "its process has ended"), ("hangs", "no answer within 5 s"), ("wrong", "AssertionError: wrong results")],
)
def test_who_fails_is_out_of_that_case_alone(record: Record, who: str, why: str) -> None:
    assert record.entries[who].trouble == {"one": why}
    assert record.entries[who].values == {"two": [2.0, 2.0]}


def test_who_cannot_take_part_is_told(record: Record) -> None:
    assert record.entries["absent"].trouble == {"": "not installed"}
    assert record.entries["broken"].trouble == {"": "cannot start: ImportError: no library"}


def test_nothing_is_left(held: tuple[Record, set[int]]) -> None:
    assert held[1] == set()
