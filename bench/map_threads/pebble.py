"""pebble's ThreadPool."""

from contextlib import contextmanager

from pebble import ThreadPool

from harness import WORKERS
from harness.tasks import nothing

NAME = "pebble"
DISTRIBUTION = "pebble"


@contextmanager
def competitor():
    with ThreadPool(max_workers=WORKERS) as pool:
        yield lambda items: pool.map(nothing, items).result()
