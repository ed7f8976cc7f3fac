"""centimane.futures.ProcessPoolExecutor."""

from contextlib import contextmanager

from centimane.futures import ProcessPoolExecutor
from harness import WORKERS

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    with ProcessPoolExecutor(WORKERS) as executor:
        yield executor
