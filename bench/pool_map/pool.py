"""The standard library's Pool."""

from contextlib import contextmanager
from multiprocessing import get_context

from harness import WORKERS
from pool_map.workload import TASKS_PER_WORKER, of_pools

NAME = "multiprocessing.Pool"


@contextmanager
def competitor():
    context = get_context("spawn")
    with context.Pool(WORKERS) as stays, context.Pool(WORKERS, maxtasksperchild=TASKS_PER_WORKER) as replaced:
        yield of_pools(stays, replaced)
