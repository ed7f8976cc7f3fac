"""parallel_map and parallel_iter with all policies."""

from contextlib import contextmanager

import centimane
from harness.policies import with_all_policies

NAME = "centimane"
DISTRIBUTION = "centimane"


@contextmanager
def competitor():
    yield with_all_policies(centimane)
