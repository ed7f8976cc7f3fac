"""centimane.multiprocessing.Process."""

from contextlib import contextmanager

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    from centimane.multiprocessing import Process

    yield Process
