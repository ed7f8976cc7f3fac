"""joblib's Parallel over 10,000 tasks that do nothing, by backend: in batches as joblib chooses them, and 2,000 of them one by one.
Most of what is left is joblib's own: its dispatching, and a look every 10 ms.
"""

import time

from harness import WORKERS
from harness.records import Case
from harness.tasks import nothing

CASES = [Case("auto", "tasks/s", "higher"), Case("one by one", "tasks/s", "higher")]
TASKS = {"auto": 10_000, "one by one": 2_000}


def measure(backend: str, run: str, quick: bool) -> float:
    """One call. ``backend`` is joblib's name for it; what workers it keeps are up since the first round, which does not count."""
    from joblib import Parallel, delayed

    n = 200 if quick else TASKS[run]
    parallel = Parallel(n_jobs=WORKERS, backend=backend, batch_size="auto" if run == "auto" else 1)
    begin = time.perf_counter()
    assert parallel(delayed(nothing)(i) for i in range(n)) == list(range(n)), "wrong results"
    return n / (time.perf_counter() - begin)
