"""Word frequencies over thousands of files: in order, on worker processes, and on worker processes of which three are killed."""

import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from signal import SIGKILL

from ledger import Killer, linger, note

import centimane

word = re.compile(r"[^\W\d_]+")
paths = [os.fsdecode(name) for name in Path(sys.argv[1]).read_bytes().split(b"\0")[:-1]]


def frequencies(path):
    with open(path, encoding="utf-8") as file:
        return Counter(word.findall(file.read().lower()))


def sequential():
    total, failures = Counter(), {}
    for index, path in enumerate(paths):
        try:
            total.update(frequencies(path))
        except (OSError, UnicodeDecodeError) as error:
            failures[index] = type(error)
    return total, failures


def parallel(function, items):
    """Values are merged as they come, in any order, so that no more than a window of them is held at a time."""
    total, failures = Counter(), {}
    for item in centimane.parallel_iter(function, items, executor="process", workers=2, ordered=False, progress=True):
        if item.ok:
            total.update(item.value)
        else:
            failures[item.index] = item.error
    return total, failures


def kinds(failures):
    return {index: type(error) for index, error in failures.items()}


def claim(text, holds):
    print(f"  {'holds' if holds else 'BROKEN'}: {text}")
    return holds


start = time.perf_counter()
expected, expected_failures = sequential()
one = time.perf_counter() - start

start = time.perf_counter()
total, failures = parallel(frequencies, paths)
two = time.perf_counter() - start
print(
    f"{len(paths):,} files, {total.total():,} words, {len(failures)} files failed: sequential {one:.2f} s, 2 workers {two:.2f} s"
)
print("  most frequent: " + ", ".join(f"{text} {count:,}" for text, count in total.most_common(6)))
for index in list(failures)[:3]:
    print(f"  {paths[index]}: {failures[index]}"[:160])
good = [
    claim("the same frequencies as one after another", total == expected),
    claim("the same files failed, with the same exceptions", kinds(failures) == expected_failures),
]

with tempfile.TemporaryDirectory(prefix="centimane-ledger-") as folder:

    def observed(item):
        index, path = item
        note(folder, b"B", index)
        try:
            linger(folder, len(paths), index)
            return frequencies(path)
        finally:
            note(folder, b"E", index)

    killer = Killer(folder, len(paths))
    killer.start()
    total, failures = parallel(observed, list(enumerate(paths)))
    killer.over.set()
    killer.join()

lost = {index: failures.pop(index) for index in list(failures) if isinstance(failures[index], centimane.WorkerDied)}
for index, error in lost.items():
    print(f"  {paths[index]}: {error}"[:160])
good += [
    claim(f"{len(killer.lost)} of 3 workers were killed inside a task", len(killer.lost) == 3),
    claim("exactly the items they were on are lost, as WorkerDied", set(lost) == killer.lost),
    claim("each is told with the signal that ended its worker", all(e.signal == SIGKILL for e in lost.values())),
    claim(
        "all other failures are the same",
        kinds(failures) == {i: e for i, e in expected_failures.items() if i not in lost},
    ),
]
for index in lost:
    if index not in expected_failures:
        expected -= frequencies(paths[index])
good.append(claim("all other files were counted, once each", total == expected))
sys.exit(not all(good))
