"""ProcessPoolExecutor with max_tasks_per_child."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from harness.tasks import nothing
from recycling.workload import TASKS_PER_WORKER

NAME = "ProcessPoolExecutor"


@contextmanager
def competitor():
    with (
        ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), max_tasks_per_child=None) as never,
        ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), max_tasks_per_child=TASKS_PER_WORKER) as often,
    ):
        yield lambda items, every: (often if every else never).map(nothing, items)
