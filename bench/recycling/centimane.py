"""parallel_map with max_tasks_per_worker."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS
from harness.tasks import nothing

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda items, every: parallel_map(
        nothing, items, executor="process", workers=WORKERS, max_tasks_per_worker=every
    ).values()
