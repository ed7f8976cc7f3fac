"""The driver killed at any point, and run again until the job is done. Judges: a file to which the function itself appends, and the rows
that a copy of the checkpoint shows after each death.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ITEMS = 800

PROGRAM = f"""
import os, sys
from centimane import parallel_iter, parallel_map
folder, executor, form = sys.argv[1:4]

def work(n):
    os.write(1, b".")          # somebody counts these, and kills
    with open(folder + "/counts", "ab", buffering=0) as counts:
        counts.write(b"%d\\n" % n)
    return str(n) * 3

how = dict(executor=executor, workers=2, checkpoint=folder + "/work.ckpt")
if form == "map":
    values = list(parallel_map(work, range({ITEMS}), **how))
elif form == "keys":
    values = list(parallel_map(work, iter(range({ITEMS})), item_key=str, **how))
else:
    results = sorted(parallel_iter(work, iter(range({ITEMS})), ordered=form == "ordered", **how), key=lambda r: r.index)
    values = [r.value for r in results]
assert values == [str(n) * 3 for n in range({ITEMS})]
os.write(1, b"!")
"""


def recorded(folder: Path, round_number: int) -> set[int]:
    """What a resuming run will find. A copy is looked at: looking at the file itself would mend it."""
    copy = folder / f"copy{round_number}"
    copy.mkdir()
    for name in ("work.ckpt", "work.ckpt-wal"):
        if (folder / name).exists():
            shutil.copy(folder / name, copy / name)
    if not (copy / "work.ckpt").exists():
        return set()
    database = sqlite3.connect(copy / "work.ckpt")
    try:
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            return set()
        return {int(key.decode().lstrip("#s:")) for (key,) in database.execute("SELECT key FROM done")}
    finally:
        database.close()


def counted(folder: Path) -> Counter[int]:
    file = folder / "counts"
    return Counter(int(line) for line in file.read_text().split()) if file.exists() else Counter()


@pytest.mark.parametrize(
    ("executor", "form"),
    [
        ("sequential", "map"),
        ("thread", "keys"),
        ("thread", "ordered"),
        ("process", "map"),
        ("process", "unordered"),
    ],
)
def test_killed_again_and_again(tmp_path: Path, executor: str, form: str, nothing_left_behind: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    draw = random.Random(f"{executor} {form}")
    settled: dict[int, int] = {}  # item: how often it had been run when it was recorded
    for round_number in range(100):
        run = subprocess.Popen(
            [sys.executable, str(program), str(tmp_path), executor, form], stdout=subprocess.PIPE, env=os.environ.copy()
        )
        assert run.stdout is not None
        patience = draw.randrange(1, 400)
        while patience > 0:
            told = run.stdout.read1(min(patience, 64))  # type: ignore[attr-defined]
            if not told or told.endswith(b"!"):
                break
            patience -= len(told)
        if patience > 0:
            assert run.wait() == 0
            run.stdout.close()
            break
        run.kill()
        run.wait()
        run.stdout.close()
        runs = counted(tmp_path)
        for item in recorded(tmp_path, round_number):
            settled.setdefault(item, runs[item])
    else:
        raise AssertionError("it never came to its end")
    assert len(settled) > 50
    end = counted(tmp_path)
    assert set(end) == set(range(ITEMS))
    again = {item: (times, end[item]) for item, times in settled.items() if end[item] != times}
    assert not again, f"run again though it was recorded: {again}"
