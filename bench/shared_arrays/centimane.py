"""A SharedArray through parallel_map of one item on its warm pool."""

from contextlib import contextmanager

from centimane import parallel_map, share
from harness import WORKERS
from harness.arrays import look

NAME = "centimane, SharedArray"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    def subject(values):
        shared = share(values)
        return lambda: parallel_map(look, [shared], executor="process", workers=WORKERS).values()[0]

    yield subject
