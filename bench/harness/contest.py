"""Competitors of one workload, in turn: every round lets each of them measure every case once, so that all meet the same phases of
the machine. Each has a process of its own, which lives as long as the contest.

A competitor that is not installed, fails or takes too long is out, with its reason; the contest goes on. When it ends, nothing that a
competitor started is left.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import machine, processes
from .catalog import BENCH, Competitor, competitors
from .records import OURS, Case, Entry, Record

OPEN_LIMIT = 60.0
"""Seconds to import and start."""
CLOSE_LIMIT = 15.0
LIMIT = 30.0
"""Seconds for one measurement, unless the workload says otherwise."""
QUICK_LIMIT = 5.0
"""Of a peer in the quick form, which judges nothing and has no time for those that hang."""


class Failed(Exception):
    """Why a competitor gave no value."""


class Wrong(Failed):
    """It says so itself, and lives."""


class Entrant:
    """A competitor's process, and what it has measured so far."""

    def __init__(self, workload: str, competitor: Competitor, logs: Path) -> None:
        """Nothing is started yet."""
        self.key, self.noisy = competitor.key, competitor.noisy
        self.entry = Entry(competitor.name, competitor.version)
        self._workload, self._log = workload, logs / f"{workload}-{competitor.key}.log"
        self._mark = uuid.uuid4().hex
        self._process: subprocess.Popen[bytes] | None = None
        self._commands = self._answers = -1
        self._unread = b""
        if competitor.missing:
            self.entry.trouble[""] = competitor.missing

    @property
    def pid(self) -> int | None:
        """Of its process, while it has one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts the process; `ready` waits for it."""
        if "" in self.entry.trouble:
            return
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._unread = b""
        # Settings of the interpreter that the caller happens to have would be measured too.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {"PYTHONPATH": str(BENCH), processes.MARK: self._mark}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness.child", self._workload, self.key, str(commands), str(answers)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(commands, answers),
                env=environment,
                start_new_session=True,  # Ctrl-C is for the contest, which ends its competitors in order
            )
        os.close(commands)
        os.close(answers)

    def ready(self) -> None:
        """Waits until the competitor is up."""
        if self._process is None:
            return
        try:
            self._answer(OPEN_LIMIT)
        except Failed as failed:
            self.entry.trouble[""] = f"cannot start: {failed}"
            self._end()
        else:
            self._freeze(True)

    def measure(self, run: str, cases: list[str], limit: float, *, quick: bool, keep: bool = True) -> None:
        """One measurement. What it answers, or why it does not, is in `entry`; the values of a warm-up are not kept."""
        if "" in self.entry.trouble or all(case in self.entry.trouble for case in cases):
            return
        if self._process is None:  # it was ended over another case
            self.start()
            self.ready()
            if self._process is None:
                return
        self._freeze(False)
        try:
            os.write(self._commands, (json.dumps({"run": run, "quick": quick}) + "\n").encode())
            values = self._answer(limit)["values"]
        except (Failed, OSError) as failed:
            for case in cases:
                self._give_up(case, str(failed))
            if not isinstance(failed, Wrong):
                self._end()
            return
        finally:
            self._freeze(True)
        for case in cases:
            value = values.get(case)
            if not isinstance(value, (int, float)):  # a quantity that does not exist there, with the reason
                self._give_up(case, str(value))
            elif keep:
                self.entry.values.setdefault(case, []).append(float(value))

    def stop(self) -> None:
        """Tells the process to leave; `close` waits for it."""
        if self._process is not None:
            self._freeze(False)
            os.close(self._commands)
            self._commands = -1

    def close(self) -> None:
        """Waits until the process has ended in order, within limits, and ends whatever it has left behind."""
        if self._process is None:
            return
        everybody = processes.family(self._process.pid, self._mark)
        try:
            self._process.wait(CLOSE_LIMIT)
        except subprocess.TimeoutExpired:
            self.entry.notes.append(f"does not leave within {CLOSE_LIMIT:.0f} s of its end")
        everybody |= processes.family(self._process.pid, self._mark)
        processes.wait_for(everybody, 3.0)  # daemons that were told to leave may take a moment
        self._end(everybody)

    def _end(self, more: set[int] | None = None) -> None:
        """Ends it and all that is its, at once."""
        if self._process is None:
            return
        process, self._process = self._process, None
        processes.end((more or set()) | processes.family(process.pid, self._mark))
        process.wait()
        os.close(self._answers)
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1

    def _freeze(self, stop: bool) -> None:
        if self.noisy and self._process is not None:
            family = processes.family(self._process.pid, self._mark)
            processes.tell(family, signal.SIGSTOP if stop else signal.SIGCONT)

    def _give_up(self, case: str, reason: str) -> None:
        self.entry.trouble.setdefault(case, reason)

    def _answer(self, limit: float) -> dict[str, Any]:
        while b"\n" not in self._unread:
            if not select.select([self._answers], [], [], limit)[0]:
                raise Failed(f"no answer within {limit:.0f} s")
            part = os.read(self._answers, 65536)
            if not part:
                raise Failed("its process has ended")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise Wrong(said["error"])
        return said


def run(workload: str, rounds: int, build: Path, *, quick: bool, tell: Callable[[str], None]) -> Record:
    """The whole contest of one workload."""
    plan = importlib.import_module(f"{workload}.workload")
    cases: list[Case] = list(plan.CASES)
    runs: dict[str, list[str]] = getattr(plan, "RUNS", None) or {case.name: [case.name] for case in cases}
    limit = float(getattr(plan, "LIMIT", LIMIT))
    rounds = min(rounds, getattr(plan, "ROUNDS", rounds))
    warm_up = not quick and getattr(plan, "WARM_UP", True)
    logs = build / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for log in logs.glob(f"{workload}-*.log"):
        log.unlink()
    entrants = [Entrant(workload, competitor, logs) for competitor in competitors(workload)]
    try:
        for entrant in entrants:
            entrant.start()
        for entrant in entrants:
            entrant.ready()
        for number in range(-1 if warm_up else 0, rounds):
            turn = number % len(entrants)  # each begins some rounds: who comes after whom must not matter
            for name, measured in runs.items():
                for entrant in entrants[turn:] + entrants[:turn]:
                    most = min(limit, QUICK_LIMIT) if quick and not entrant.key.startswith(OURS) else limit
                    entrant.measure(name, measured, most, quick=quick, keep=number >= 0)
    finally:
        for entrant in entrants:
            entrant.stop()
        for entrant in entrants:
            entrant.close()
        processes.end(processes.orphans())
    for entrant in entrants:
        for case, reason in entrant.entry.trouble.items():
            tell(f"  {entrant.entry.name}{f', {case}' if case else ''}: {reason}")
    return Record(
        workload=workload,
        rounds=rounds,
        date=machine.today(),
        machine=machine.describe(),
        cases=cases,
        entries={entrant.key: entrant.entry for entrant in entrants},
    )
