"""Queue, without a bound."""

from contextlib import contextmanager

from centimane.multiprocessing import Queue

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield Queue
