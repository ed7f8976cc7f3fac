"""parallel_map with a chunksize: the items of a chunk are pickled together and share their worker's fate, as Pool's do."""

from contextlib import contextmanager

from centimane import parallel_map
from harness import WORKERS
from harness.tasks import nothing

NAME = "centimane, chunksize=1000"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda items: parallel_map(nothing, items, executor="process", workers=WORKERS, chunksize=1000).values()
