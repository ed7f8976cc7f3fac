"""CPython's own tests of multiprocessing's locks, conditions, events, barriers, values and arrays, against centimane.multiprocessing.

The processes are the standard library's, started by "fork" and by "spawn". The classes under test are put in place of its own before its
tests are loaded. Prints what passed, what failed, and each excused test with its reason; see runner.py.
"""

from __future__ import annotations

import importlib
import sys
import unittest
from typing import Any

from runner import run

METHODS = ("fork", "spawn")
KINDS = ("Lock", "Semaphore", "Condition", "Event", "Barrier", "Value", "Array", "SharedCTypes")
NAMES = (
    *("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier"),
    *("Value", "Array", "RawValue", "RawArray"),
)
EXCUSED: dict[str, str] = {}


def put_ours_in_place() -> None:
    """Every name under which the tests find the classes under test."""
    import multiprocessing
    import multiprocessing.sharedctypes

    from centimane import multiprocessing as ours
    from centimane.multiprocessing import sharedctypes

    for name in NAMES:
        setattr(multiprocessing, name, getattr(ours, name))
    for name in ("copy", "Value"):
        setattr(multiprocessing.sharedctypes, name, getattr(sharedctypes, name))

    import test._test_multiprocessing as tests

    def nobody_waits(_: unittest.TestCase, cond: Any) -> None:
        if cond._waiting() != 0:
            raise AssertionError("somebody is left in its list")

    tests._TestCondition.check_invariant = nobody_waits
    print("changed: _TestCondition.check_invariant: ours has a list of waiters, not three semaphores")


def load(loader: unittest.TestLoader) -> unittest.TestSuite:
    """Every test that is about them, once a start method."""
    suite = unittest.TestSuite()
    for method in METHODS:
        module = importlib.import_module(f"pools_{method}")
        for kind in KINDS:
            suite.addTests(loader.loadTestsFromTestCase(getattr(module, f"WithProcessesTest{kind}")))
    return suite


def name_of(identity: str) -> str:
    """Module (which tells the start method), class, test."""
    return ".".join(identity.split(".")[-3:])


if __name__ == "__main__":
    sys.exit(run("synchronisation", __doc__, put_ours_in_place, load, EXCUSED, name_of))
