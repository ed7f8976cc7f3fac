"""centimane.multiprocessing's Pool."""

from contextlib import contextmanager

from centimane.multiprocessing import Pool
from harness import WORKERS
from pool_map.workload import TASKS_PER_WORKER, of_pools

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    with Pool(WORKERS) as stays, Pool(WORKERS, maxtasksperchild=TASKS_PER_WORKER) as replaced:
        yield of_pools(stays, replaced)
