"""The tests of multiprocessing under the start method of our own: a module that processes can import."""

from typing import Any

import mp_ours  # noqa: F401  # first: it puts ours in place
from test import _test_multiprocessing


def nobody_waits(_: object, condition: Any) -> None:
    """The test's own counts three semaphores of a condition's; ours has a list of those who wait."""
    if condition._waiting() != 0:
        raise AssertionError("somebody is left in its list")


_test_multiprocessing._TestCondition.check_invariant = nobody_waits
_test_multiprocessing.install_tests_in_module_dict(globals(), "centimane")
