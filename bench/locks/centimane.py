"""The locks of centimane.multiprocessing."""

from contextlib import contextmanager

from centimane import multiprocessing
from harness.ball import player

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield multiprocessing, player(multiprocessing)
