"""A NumPy array of 64 MiB into a worker, out of one, and both ways, after five calls that do not count; or kept, so that its memory cannot
be used again, and the first call in a while.
"""

from harness.arrays import Array, Subject, milliseconds
from harness.records import Case

KEPT = "echo, results kept"
CASES = [Case(way, "ms", "lower") for way in ("in", "out", "echo", KEPT)]
_kept: list[Array] = []


def measure(subject: Subject, run: str, quick: bool) -> float:
    """The subject calls a function with an item in a worker."""
    size = 2**20 if quick else 2**26
    if run != KEPT:
        _kept.clear()
        return milliseconds(subject, run, size, warm=0 if quick else 5)
    return milliseconds(subject, "echo", size, keep=_kept)
