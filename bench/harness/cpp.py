"""The C++ programs of bench/cpp: each holds its own contest and prints a line of JSON for each measurement.

    {"workload": str, "unit": str, "better": "lower"|"higher", "competitor": str, "version": str, "round": int, "value": float}
    {"workload": str, "competitor": str, "missing": "why"}

A program is a workload of the report, under the program's name; if it tells of several workloads, each is a case.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import machine, processes
from .records import Case, Entry, Record

LIMIT = 240.0
"""Seconds for one program."""


def programs(folder: Path) -> list[str]:
    """The benchmarks that are built."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_file() and os.access(path, os.X_OK))


def run(program: Path, rounds: int, *, quick: bool, tell: Callable[[str], None]) -> Record:
    """Runs one program and takes down what it says. Lines that came before it failed count."""
    command = [str(program), "--rounds", str(rounds), *(["--quick"] if quick else [])]
    out, trouble = "", ""
    try:
        out, trouble = _output(command)
    except OSError as error:
        trouble = f"cannot start: {error.strerror}"
    if trouble:
        tell(f"  {program.name}: {trouble}")
    return take_down(
        program.name, [json.loads(line) for line in out.splitlines() if line.endswith("}")], rounds, trouble
    )


def _output(command: list[str]) -> tuple[str, str]:
    """What a program prints, and what went wrong with it."""
    trouble = ""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the contest
    ) as process:
        try:
            out, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            trouble = f"no end within {LIMIT:.0f} s"
        finally:
            processes.end(processes.family(process.pid, "") | processes.orphans())
        if trouble:
            out, _ = process.communicate()
        elif process.returncode:
            trouble = f"ended with status {process.returncode}: {' '.join(errors.split())[-200:]}"
    return out, trouble


def take_down(name: str, said: list[dict[str, Any]], rounds: int, trouble: str) -> Record:
    """A record of what a program said. Pure but for the date and the machine."""
    cases: dict[str, Case] = {}
    entries: dict[str, Entry] = {}
    for line in said:
        entry = entries.setdefault(line["competitor"], Entry(line["competitor"], line.get("version", "")))
        if "missing" in line:
            entry.trouble[line["workload"]] = line["missing"]
            continue
        cases.setdefault(line["workload"], Case(line["workload"], line["unit"], line["better"]))
        values = entry.values.setdefault(line["workload"], [])
        values += [None] * (line["round"] + 1 - len(values))
        values[line["round"]] = float(line["value"])
    if trouble:
        entries.setdefault("the program", Entry("the program", "")).trouble[""] = trouble
    return Record(
        workload=name,
        rounds=rounds,
        date=machine.today(),
        machine=machine.describe(),
        cases=list(cases.values()) or [Case(name, "", "lower")],
        entries=dict(sorted(entries.items(), key=lambda item: (not item[0].startswith("centimane"), item[0].lower()))),
    )
