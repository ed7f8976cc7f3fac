"""CPython's own tests of multiprocessing but for its pools, against centimane.multiprocessing. Run by CPython 3.13 (3.11 and 3.12 do as
well): `make conformance`.

The tests are those that the interpreter brings along (`test._test_multiprocessing`), under the start method "centimane", with everything of
ours in place of the standard library's (`mp_ours`). They come in groups; one is run once all that it is about is ours. Prints what
passed, what failed, and each excused test with its reason; see runner.py.
"""

from __future__ import annotations

import importlib
import sys
import unittest
from dataclasses import dataclass

from runner import left_out, run, with_module

#: The standard library's own slow variant "spawn" is left out: each of its processes takes as long as an interpreter that imports all tests.
METHODS = ("centimane",)


@dataclass(frozen=True)
class Group:
    """Some classes of tests.

    Attributes:
        classes: their names, as the tests install them.
        needs: what must be ours, as `mp_ours` names it.
        only: tests of them; empty: all.
    """

    classes: tuple[str, ...]
    needs: tuple[str, ...]
    only: tuple[str, ...] = ()


GROUPS = {
    "process": Group(
        ("WithProcessesTestProcess", "WithProcessesTestSubclassingProcess", "_TestImportStar", "_TestAtExit"),
        ("Process",),
    ),
    "process_misc": Group(
        ("TestStartMethod", "TestCloseFds", "TestIgnoreEINTR", "TestWait", "WithProcessesTestFinalize", "TestTimeouts"),
        ("Process",),
    ),
    "queue": Group(("WithProcessesTestQueue",), ("Queue", "JoinableQueue")),
    "simple_queue": Group(("TestSimpleQueue",), ("SimpleQueue",)),
    "pipe": Group(
        ("WithProcessesTestConnection", "WithProcessesTestPicklingConnections", "WithProcessesTestPoll"), ("Pipe",)
    ),
    "lock": Group(("WithProcessesTestLock",), ("Lock", "RLock")),
    "semaphore": Group(("WithProcessesTestSemaphore",), ("Semaphore", "BoundedSemaphore")),
    "condition": Group(("WithProcessesTestCondition",), ("Condition",)),
    "event": Group(("WithProcessesTestEvent",), ("Event",)),
    "barrier": Group(("WithProcessesTestBarrier",), ("Barrier",)),
    "value": Group(("WithProcessesTestValue",), ("Value", "RawValue")),
    "array": Group(("WithProcessesTestArray", "WithProcessesTestSharedCTypes"), ("Array", "RawArray", "Value")),
    "shared_memory": Group(("WithProcessesTestSharedMemory",), ("shared_memory",)),
}

#: By module, class and test.
EXCUSED: dict[str, str] = {
    "mp_centimane.TestStartMethod.test_context": (
        "starts processes by the standard library's spawn while its start method is ours, which their interpreters do not know"
    ),
    "mp_centimane.TestStartMethod.test_set_get": (
        "sets the standard library's start method, which is not the one of centimane.multiprocessing's Process"
    ),
    "mp_centimane.WithProcessesTestQueue.test_queue_feeder_donot_stop_onexc": (
        "what cannot be pickled is to be told by the feeder thread, on stderr; here there is none, and put raises"
    ),
    "mp_centimane.WithProcessesTestQueue.test_queue_feeder_on_queue_feeder_error": (
        "overrides _on_queue_feeder_error, a private method of the feeder thread's"
    ),
    "mp_centimane.TestSimpleQueue.test_closed": "reads _reader and _writer, the pipe that the standard library's queue is made of",
    "mp_centimane.WithProcessesTestSharedMemory.test_shared_memory_basics": (
        "replaces _make_filename, a private function that the standard library makes names with"
    ),
    "mp_centimane.WithProcessesTestSharedMemory.test_shared_memory_recreate": "the same",
}

#: Not run: those that fail by waiting.
LEFT_OUT: dict[str, str] = {
    "WithProcessesTestProcess.test_parent_process": (
        "a process that outlives the one that started it is to tell so; here it ends with it, and the test waits five minutes"
    ),
}


def put_ours_in_place() -> None:
    """Every name under which the tests find the classes under test; and their zygote loads the tests once for all processes."""
    import mp_ours  # noqa: F401

    from centimane.multiprocessing import set_forkserver_preload

    set_forkserver_preload([f"mp_{method}" for method in METHODS])


def load(loader: unittest.TestLoader) -> unittest.TestSuite:
    """Every test of the groups that can be run, once a start method."""
    from mp_ours import THERE

    suite = unittest.TestSuite()
    for name, group in GROUPS.items():
        missing = sorted(set(group.needs) - THERE)
        if missing:
            print(f"group {name} waits for {', '.join(missing)}")
            continue
        for method in METHODS:
            module = importlib.import_module(f"mp_{method}")
            for kind_name in group.classes:
                kind = getattr(module, kind_name, None)  # not every version has all
                if kind is None:
                    continue
                for test in loader.loadTestsFromTestCase(kind):
                    chosen = not group.only or test._testMethodName in group.only
                    if chosen and not left_out(LEFT_OUT, kind_name, test._testMethodName):
                        suite.addTest(test)
    return suite


if __name__ == "__main__":
    sys.exit(run("mp", __doc__, put_ours_in_place, load, EXCUSED, with_module))
