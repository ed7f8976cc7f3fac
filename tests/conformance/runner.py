"""Runs tests of CPython's own, with a list of those that are excused; prints what became of them.

The exit status is 1 for a failure that is not excused, for an excuse that is not used, and for more excuses than there may be.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MOST_EXCUSES = 20
#: Seconds that one test may take on a busy machine before its stacks are shown and the run ends.
TEST_LIMIT = 600.0


class Result(unittest.TextTestResult):
    """Notes what became of each test, under its class and name."""

    limit = TEST_LIMIT

    @staticmethod
    def name_of(identity: str) -> str:
        """A test's name, here and in the list of excuses."""
        return ".".join(identity.split(".")[-2:])

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
        name = self.name_of(test.id())
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


def _tests(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _tests(test)
        else:
            assert isinstance(test, unittest.TestCase)
            yield test


def _share(suite: unittest.TestSuite, mine: int, of: int) -> unittest.TestSuite:
    """Every so many-th class of it: what a class sets up for its tests is set up in one process."""
    tests = list(_tests(suite))
    classes = list(dict.fromkeys(type(test) for test in tests))
    chosen = set(classes[mine::of])
    return unittest.TestSuite(test for test in tests if type(test) in chosen)


def _side_by_side(processes: int) -> tuple[dict[str, str], bool]:
    """Runs a share of the tests in each of so many processes; answers the outcomes, and whether all shares came to their end."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, str(k)) for k in range(processes)]
        running = []
        for k, file in enumerate(files):
            with file.with_suffix(".log").open("wb") as log:
                command = [sys.executable, *sys.argv, "--share", str(k), str(processes), str(file)]
                running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        outcomes: dict[str, str] = {}
        whole = True
        for file, share in zip(files, running, strict=True):
            share.wait()
            sys.stderr.write(file.with_suffix(".log").read_text(errors="replace"))
            if share.returncode != 0:
                whole = False
                print(f"a share of the tests ended with status {share.returncode}")
            else:
                outcomes |= json.loads(file.read_text())
    return outcomes, whole


def left_out(reasons: dict[str, str], kind: str, test: str) -> bool:
    """Is a test not to be run, by these reasons? Then it says so."""
    reason = reasons.get(f"{kind}.{test}")
    if reason is not None:
        print(f"left out: {kind}.{test}: {reason}")
    return reason is not None


def with_module(identity: str) -> str:
    """Module (which tells the start method), class, test."""
    return ".".join(identity.split(".")[-3:])


def run(
    what: str,
    description: str | None,
    put_ours_in_place: Callable[[], None],
    load: Callable[[unittest.TestLoader], unittest.TestSuite],
    excused: dict[str, str],
    name_of: Callable[[str], str] | None = None,
) -> int:
    """Runs them; answers the exit status.

    Args:
        what: their name in the summary.
        description: what ``--help`` says.
        put_ours_in_place: called before anything of the tests is loaded.
        load: loads them.
        excused: by class and name, the reason why a test may fail.
        name_of: makes a test's name of what unittest calls it; by default its class and name.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("-k", action="append", dest="patterns", help="only tests whose name has that in it")
    parser.add_argument("--limit", type=float, default=TEST_LIMIT, help="seconds that one test may take")
    parser.add_argument("-v", action="store_true", dest="verbose")
    parser.add_argument("--processes", type=int, default=1, help="runs so many shares of the tests side by side")
    parser.add_argument(
        "--share", nargs=3, help=argparse.SUPPRESS
    )  # what such a process is told: number, of how many, where to report
    chosen = parser.parse_args()
    if chosen.processes > 1 and chosen.share is None:
        outcomes, whole = _side_by_side(chosen.processes)
    else:
        put_ours_in_place()
        loader = unittest.TestLoader()
        if chosen.patterns:
            loader.testNamePatterns = [f"*{pattern}*" for pattern in chosen.patterns]
        suite = load(loader)
        Result.limit = chosen.limit
        if name_of is not None:
            Result.name_of = staticmethod(name_of)  # type: ignore[method-assign]
        runner = unittest.TextTestRunner(resultclass=Result, verbosity=2 if chosen.verbose else 1, stream=sys.stderr)
        if chosen.share is not None:
            suite = _share(suite, int(chosen.share[0]), int(chosen.share[1]))
        result = runner.run(suite)
        assert isinstance(result, Result)
        outcomes, whole = result.outcomes, True
        if chosen.share is not None:
            Path(chosen.share[2]).write_text(json.dumps(outcomes))
            return 0

    failed = sorted(name for name, how in outcomes.items() if how == "failed")
    passed = sum(how == "passed" for how in outcomes.values())
    skipped = sum(how == "skipped" for how in outcomes.values())
    unexcused = [name for name in failed if name not in excused]
    unused = [name for name in excused if name not in failed] if not chosen.patterns else []
    for name in failed:
        print(f"excused: {name}: {excused[name]}" if name in excused else f"FAILED: {name}")
    for name in unused:
        print(f"NOT USED: the excuse for {name}: {outcomes.get(name, 'no such test')}")
    print(
        f"conformance: {what}: {passed} passed, {len(unexcused)} failed, {len(failed) - len(unexcused)} excused, "
        f"{skipped} skipped by themselves"
    )
    if len(excused) > MOST_EXCUSES:
        print(f"{len(excused)} excuses: there may be {MOST_EXCUSES}")
    return 1 if unexcused or unused or len(excused) > MOST_EXCUSES or not outcomes or not whole else 0
