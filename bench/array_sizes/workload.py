"""A NumPy array there and back, by its size."""

from harness.arrays import Subject, milliseconds
from harness.records import Case

SIZES = {"8 B": 2**3, "1 KiB": 2**10, "64 KiB": 2**16, "1 MiB": 2**20, "16 MiB": 2**24, "256 MiB": 2**28}
CASES = [Case(name, "ms", "lower") for name in SIZES]


def measure(subject: Subject, run: str, quick: bool) -> float:
    """The subject calls a function with an item in a worker."""
    return milliseconds(subject, "echo", min(SIZES[run], 2**17) if quick else SIZES[run], fill=0.05)
