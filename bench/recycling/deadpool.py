"""Deadpool with max_tasks_per_child."""

from contextlib import contextmanager

from deadpool import Deadpool

from harness import WORKERS
from harness.tasks import nothing
from recycling.workload import TASKS_PER_WORKER

NAME = "deadpool"
DISTRIBUTION = "deadpool-executor"


@contextmanager
def competitor():
    with (
        Deadpool(max_workers=WORKERS, max_tasks_per_child=None) as never,
        Deadpool(max_workers=WORKERS, max_tasks_per_child=TASKS_PER_WORKER) as often,
    ):
        yield lambda items, every: (often if every else never).map(nothing, items)
