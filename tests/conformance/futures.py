"""CPython's own tests of concurrent.futures, against centimane.futures. Run by CPython 3.13: `make conformance`.

The tests are those that the interpreter brings along (`test.test_concurrent_futures`). The classes under test are put in place of the
standard library's before they are loaded; process pools are asked for `on_worker_death="break"`, the standard library's way.

Prints what passed, what failed, and each excused test with its reason. The exit status is 1 for a failure that is not excused, for
an excuse that is not used, and for more excuses than there may be.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import pkgutil
import sys
import time
import unittest
from typing import Any

MOST_EXCUSES = 20
#: Seconds that one test may take on a busy machine before its stacks are shown and the run ends.
TEST_LIMIT = 600.0

_PROCESS = ("ProcessPoolFork", "ProcessPoolForkserver", "ProcessPoolSpawn")
_CALL_QUEUE = "reads _call_queue, which a pool without queues does not have"
_COUNTS = "counts _processes while no task can be sent: here a worker starts when there is a task for it"

#: Each reads or replaces a private attribute of the standard library's executor.
EXCUSED: dict[str, str] = {}


def _excuse(group: str, test: str, reason: str, contexts: tuple[str, ...] = _PROCESS) -> None:
    for context in contexts:
        EXCUSED[f"{context}{group}.{test}"] = reason


_excuse("ProcessPoolShutdownTest", "test_del_shutdown", _CALL_QUEUE)
_excuse("ProcessPoolShutdownTest", "test_shutdown_no_wait", _CALL_QUEUE)
_excuse("ProcessPoolShutdownTest", "test_processes_terminate", _COUNTS)
_excuse("ProcessPoolExecutorTest", "test_saturation", _COUNTS)
_excuse(
    "ProcessPoolExecutorTest",
    "test_python_finalization_error",
    "replaces threading._start_joinable_thread, and expects two threads to be started",
)
_excuse(
    "FailingInitializerTest",
    "test_initializer",
    "reads _broken, and hands a multiprocessing queue to a worker that is no child of this process",
)
for _name in ("test_forkserver", "test_spawn"):
    EXCUSED[f"FailingInitializerResourcesTest.{_name}"] = "runs the test before, then reads _resource_tracker._exitcode"


def put_ours_in_place() -> None:
    """Every name under which the tests find the classes under test."""
    import concurrent.futures.process
    import concurrent.futures.thread

    from centimane import futures as ours

    class ProcessPoolExecutor(ours.ProcessPoolExecutor):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, on_worker_death="break", **kwargs)

    for module in (concurrent.futures, concurrent.futures.process):
        module.ProcessPoolExecutor = ProcessPoolExecutor  # type: ignore[attr-defined]
    for module in (concurrent.futures, concurrent.futures.thread):
        module.ThreadPoolExecutor = ours.ThreadPoolExecutor  # type: ignore[attr-defined]
    for module in (concurrent.futures, concurrent.futures._base):
        module.Future = ours.Future  # type: ignore[attr-defined]

    # Programs that tests start import the classes by themselves.
    from test.support import script_helper

    run = script_helper.assert_python_ok

    def assert_python_ok(*args: str, **kwargs: Any) -> Any:
        return run(
            *(a.replace("from concurrent.futures import", "from centimane.futures import") for a in args), **kwargs
        )

    script_helper.assert_python_ok = assert_python_ok


class Result(unittest.TextTestResult):
    """Notes what became of each test, under its class and name."""

    limit = TEST_LIMIT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes: dict[str, str] = {}
        self.reports: dict[str, str] = {}
        self._since = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        self._since = time.monotonic()
        faulthandler.dump_traceback_later(self.limit, exit=True)
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)

    def _note(self, test: unittest.TestCase, how: str, report: str = "") -> None:
        name = ".".join(test.id().split(".")[-2:])
        if self.outcomes.get(name) != "failed":
            self.outcomes[name] = how
            self.reports[name] = report

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self._note(test, "passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._note(test, "failed", self.errors[-1][1])

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._note(test, "failed", self.failures[-1][1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failed", str(err[1]))


def main() -> int:
    """Runs them; answers the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", action="append", dest="patterns", help="only tests whose name has that in it")
    parser.add_argument("--limit", type=float, default=TEST_LIMIT, help="seconds that one test may take")
    parser.add_argument("-v", action="store_true", dest="verbose")
    chosen = parser.parse_args()
    put_ours_in_place()
    import test.test_concurrent_futures as package

    loader = unittest.TestLoader()
    if chosen.patterns:
        loader.testNamePatterns = [f"*{pattern}*" for pattern in chosen.patterns]
    suite = unittest.TestSuite()
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("test_"):
            suite.addTests(loader.loadTestsFromModule(importlib.import_module(f"{package.__name__}.{module.name}")))
    Result.limit = chosen.limit
    runner = unittest.TextTestRunner(resultclass=Result, verbosity=2 if chosen.verbose else 1, stream=sys.stderr)
    result = runner.run(suite)
    assert isinstance(result, Result)

    failed = sorted(name for name, how in result.outcomes.items() if how == "failed")
    passed = sum(how == "passed" for how in result.outcomes.values())
    skipped = sum(how == "skipped" for how in result.outcomes.values())
    unexcused = [name for name in failed if name not in EXCUSED]
    unused = [name for name in EXCUSED if name not in failed] if not chosen.patterns else []
    for name in failed:
        print(f"excused: {name}: {EXCUSED[name]}" if name in EXCUSED else f"FAILED: {name}")
    for name in unused:
        print(f"NOT USED: the excuse for {name}: {result.outcomes.get(name, 'no such test')}")
    excused = len(failed) - len(unexcused)
    print(f"conformance: {passed} passed, {len(unexcused)} failed, {excused} excused, {skipped} skipped by themselves")
    if len(EXCUSED) > MOST_EXCUSES:
        print(f"{len(EXCUSED)} excuses: there may be {MOST_EXCUSES}")
    return 1 if unexcused or unused or len(EXCUSED) > MOST_EXCUSES else 0


if __name__ == "__main__":
    sys.exit(main())
