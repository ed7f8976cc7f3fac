"""The tests of multiprocessing under the start method of our own: a module that processes can import."""

import mp_ours  # noqa: F401  # first: it puts ours in place
from test import _test_multiprocessing

_test_multiprocessing.install_tests_in_module_dict(globals(), "centimane")
