"""pebble with max_tasks."""

from contextlib import contextmanager
from multiprocessing import get_context

from pebble import ProcessPool

from harness import WORKERS
from harness.tasks import nothing
from recycling.workload import TASKS_PER_WORKER

NAME = "pebble"
DISTRIBUTION = "pebble"


@contextmanager
def competitor():
    with (
        ProcessPool(max_workers=WORKERS, max_tasks=0, context=get_context("spawn")) as never,
        ProcessPool(max_workers=WORKERS, max_tasks=TASKS_PER_WORKER, context=get_context("spawn")) as often,
    ):
        yield lambda items, every: (often if every else never).map(nothing, items).result()
