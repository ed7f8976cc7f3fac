"""Queue with room for a thousand objects."""

from contextlib import contextmanager

from centimane.multiprocessing import Queue

NAME = "centimane, maxsize=1000"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield lambda: Queue(1000)
