"""mpire's WorkerPool, whose map has chunks by default and worker_lifespan."""

from contextlib import contextmanager

from mpire import WorkerPool

from harness import WORKERS
from harness.tasks import nothing
from pool_map.workload import TASKS_PER_WORKER

NAME = "mpire"
DISTRIBUTION = "mpire"


@contextmanager
def competitor():
    with (
        WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as stays,
        WorkerPool(n_jobs=WORKERS, start_method="spawn", keep_alive=True) as replaced,
    ):
        ways = {
            "map, ints": lambda items: stays.map(nothing, items, concatenate_numpy_output=False),
            # It unpacks dicts as keywords.
            "map, dicts": lambda items: stays.map(nothing, [(item,) for item in items], concatenate_numpy_output=False),
            "map, one item a task": lambda items: stays.map(
                nothing, items, chunk_size=1, concatenate_numpy_output=False
            ),
            "imap": lambda items: list(stays.imap(nothing, items, chunk_size=1)),
            "imap_unordered": lambda items: sorted(stays.imap_unordered(nothing, items, chunk_size=1)),
            "map, workers replaced": lambda items: replaced.map(
                nothing, items, chunk_size=1, worker_lifespan=TASKS_PER_WORKER, concatenate_numpy_output=False
            ),
        }
        yield ways.__getitem__
