"""One task kills its worker with SIGKILL, in the middle of a map: how soon a new worker is at work, and what is lost beside that task."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.records import Case
from harness.tasks import mortal

CASES = [Case("successor at work", "ms", "lower"), Case("other tasks lost", "tasks", "lower")]
RUNS = {"death": [case.name for case in CASES]}
ITEMS = 100
VICTIM = 30
LIMIT = 5
"""Seconds. All tasks together need a tenth of one, so who has not answered by then waits for ever."""


def measure(subject: Callable[[object, Sequence[object]], list[object]], run: str, quick: bool) -> dict[str, object]:
    """The subject maps and answers a value or an exception for each item; if it raises, all are lost."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "died"
        items = [(index, str(path) if index == VICTIM else "") for index in range(ITEMS)]
        begin = time.monotonic_ns()
        try:
            outcomes = subject(mortal, items)
        except Exception as error:
            outcomes, all_lost = [], f"{type(error).__name__}: {' '.join(str(error).split())}"[:120]
        else:
            all_lost = ""
        died = int(path.read_text(encoding="ascii"))
    values = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    assert begin < died
    old = {pid for _, pid, began in values if began <= died}
    successors = [began for _, pid, began in values if pid not in old]
    errors = sorted({type(outcome).__name__ for outcome in outcomes if not isinstance(outcome, tuple)})
    told = all_lost or f"no worker came after {' and '.join(errors)}"
    return {
        "successor at work": (min(successors) - died) / 1e6 if successors else told,
        "other tasks lost": float(ITEMS - 1 - len(values)),
    }
