"""The loop with nothing beside it."""

from contextlib import contextmanager

NAME = "nothing beside"


@contextmanager
def competitor():
    yield None
