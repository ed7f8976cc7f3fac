"""The standard library's locks."""

import multiprocessing
from contextlib import contextmanager

from harness.ball import player

NAME = "multiprocessing"


@contextmanager
def competitor():
    context = multiprocessing.get_context("fork")
    yield context, player(context)
