"""parallel_map and parallel_iter with all policies."""

from contextlib import contextmanager

import pyarallel

from harness.policies import with_all_policies

NAME = "pyarallel"
DISTRIBUTION = "pyarallel"


@contextmanager
def competitor():
    yield with_all_policies(pyarallel)
