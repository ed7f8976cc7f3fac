"""Pool with maxtasksperchild; it counts chunks, so each is one item."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.tasks import nothing
from recycling.workload import TASKS_PER_WORKER

NAME = "multiprocessing.Pool"


@contextmanager
def competitor():
    with (
        get_context("spawn").Pool(WORKERS, maxtasksperchild=None) as never,
        get_context("spawn").Pool(WORKERS, maxtasksperchild=TASKS_PER_WORKER) as often,
    ):
        yield lambda items, every: (often if every else never).map(nothing, items, chunksize=1)
