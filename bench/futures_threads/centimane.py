"""centimane.futures.ThreadPoolExecutor."""

from contextlib import contextmanager

from centimane.futures import ThreadPoolExecutor
from harness import WORKERS

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    with ThreadPoolExecutor(WORKERS) as executor:
        yield executor
