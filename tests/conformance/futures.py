"""CPython's own tests of concurrent.futures, against centimane.futures. Run by CPython 3.13: `make conformance`.

The tests are those that the interpreter brings along (`test.test_concurrent_futures`). The classes under test are put in place of the
standard library's before they are loaded; process pools are asked for `on_worker_death="break"`, the standard library's way.

Prints what passed, what failed, and each excused test with its reason; see runner.py.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import unittest
from typing import Any

from runner import run

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

    run_program = script_helper.assert_python_ok

    def assert_python_ok(*args: str, **kwargs: Any) -> Any:
        return run_program(
            *(a.replace("from concurrent.futures import", "from centimane.futures import") for a in args), **kwargs
        )

    script_helper.assert_python_ok = assert_python_ok


def load(loader: unittest.TestLoader) -> unittest.TestSuite:
    """Every test of the package."""
    import test.test_concurrent_futures as package

    suite = unittest.TestSuite()
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("test_"):
            suite.addTests(loader.loadTestsFromModule(importlib.import_module(f"{package.__name__}.{module.name}")))
    return suite


if __name__ == "__main__":
    sys.exit(run("futures", __doc__, put_ours_in_place, load, EXCUSED))
