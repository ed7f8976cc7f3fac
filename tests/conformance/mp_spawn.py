"""The tests of multiprocessing for what is ours but the processes, which are the standard library's, spawned."""

import mp_ours  # noqa: F401  # first: it puts ours in place
from test import _test_multiprocessing

_test_multiprocessing.install_tests_in_module_dict(globals(), "spawn")
