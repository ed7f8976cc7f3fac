"""CPython's own tests of multiprocessing's pools, against centimane.multiprocessing. Run by CPython 3.13 (3.11 and 3.12 do as well): `make conformance`.

The tests are those that the interpreter brings along (`test._test_multiprocessing`). The classes under test are put in place of the
standard library's before they are loaded: pools of processes under the start methods "fork" and "spawn" ("forkserver" is the same as
"spawn" here), and pools of threads. Prints what passed, what failed, and each excused test with its reason; see runner.py.
"""

from __future__ import annotations

import importlib
import sys
import unittest
from pathlib import Path
from typing import Any

from runner import left_out, run, with_module

METHODS = ("fork", "spawn")
#: Whole classes.
POOLS = (
    "WithProcessesTestPool",
    "WithProcessesTestPoolWorkerErrors",
    "WithProcessesTestPoolWorkerLifetime",
    "WithThreadsTestPool",
    "TestPoolNotLeakOnFailure",
)
#: What else uses a pool.
SINGLE = {
    "TestInitializers": "test_pool_initializer",
    "TestStdinBadfiledescriptor": "test_pool_in_process",
    "MiscTestCase": "test_large_pool",
}

EXCUSED = {
    f"pools_{_method}.TestPoolNotLeakOnFailure.test_release_unused_processes": (
        "puts a fake in place of the class that the standard library's workers are made of, to make its start() fail"
    )
    for _method in METHODS
}
#: Flawed in those versions, and changed since.
LEFT_OUT = (
    {"WithThreadsTestPool.test_terminate": "waits for a thread that sleeps five minutes if it has begun to"}
    if sys.version_info < (3, 13)
    else {}
)


def unpickleable_result() -> Any:
    """A result that cannot be pickled. The tests' own is a lambda, which travels here."""
    return (n for n in ())


def put_ours_in_place() -> None:
    """Every name under which the tests find the classes under test."""
    import multiprocessing.dummy
    import multiprocessing.pool

    from centimane import multiprocessing as ours

    def pool_of_context(*args: Any, **kwargs: Any) -> ours.Pool:
        return ours.Pool(*args, context=multiprocessing.get_context(), **kwargs)

    multiprocessing.Pool = pool_of_context  # type: ignore[assignment]
    multiprocessing.dummy.Pool = ours.ThreadPool  # type: ignore[assignment]
    multiprocessing.pool.Pool = ours.Pool  # type: ignore[assignment, misc]
    multiprocessing.pool.ThreadPool = ours.ThreadPool  # type: ignore[assignment, misc]

    # Programs that tests start import the classes by themselves.
    from test.support import script_helper

    run_program = script_helper.assert_python_ok

    def assert_python_ok(*args: str, **kwargs: Any) -> Any:
        if len(args) == 1:
            path = Path(args[0])
            plain, ours = "import multiprocessing\n", "import centimane.multiprocessing as multiprocessing\n"
            path.write_text(path.read_text().replace(plain, ours))
        plain, ours = "from multiprocessing import Pool", "from centimane.multiprocessing import Pool"
        return run_program(*(argument.replace(plain, ours) for argument in args), **kwargs)

    script_helper.assert_python_ok = assert_python_ok

    import test._test_multiprocessing as tests

    tests.unpickleable_result = unpickleable_result
    print("changed: test_unpickleable_result: its result is a generator; the lambda that it is there travels here")


def load(loader: unittest.TestLoader) -> unittest.TestSuite:
    """Every test that is about pools, once a start method; those of threads once."""
    suite = unittest.TestSuite()
    for method in METHODS:
        module = importlib.import_module(f"pools_{method}")
        for name in (*POOLS, *SINGLE):
            kind = getattr(module, name, None)  # not every version has all
            if kind is None or (name == "WithThreadsTestPool" and method != METHODS[0]):
                continue
            for test in loader.loadTestsFromTestCase(kind):
                if SINGLE.get(name) in (None, test._testMethodName) and not left_out(
                    LEFT_OUT, name, test._testMethodName
                ):
                    suite.addTest(test)
    return suite


if __name__ == "__main__":
    sys.exit(run("pools", __doc__, put_ours_in_place, load, EXCUSED, with_module))
