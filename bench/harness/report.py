"""RESULTS.md and its plots, out of records. What is not recorded here keeps the section and the verdicts that are in the file. Pure but
for the files it reads and writes.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

from targets import WORKLOADS, Workload

from . import plot
from .catalog import BENCH
from .records import OURS, Case, Entry, Record
from .verdicts import Verdict, number_text

HEAD = """# Benchmarks

Written by `make bench`. Competitors take turns: in every round each measures every case once, in a process of its own that lives as long as
the contest, and its results are checked. Numbers are medians of the rounds; the spans in the plots are the lowest and the highest. **×** says
how many times better centimane is than that competitor: the median of the ratios of each round, so it compares what ran side by side on
one machine. Absolute numbers mean little elsewhere. [README.md](README.md) has how it is done and how to add to it.

## Targets

| work | target | found | |
|---|---|--:|---|
"""
QUICK = """# Benchmarks, quick form

Shows that every workload works. Sizes are tiny and nothing is warm: no number here means anything, and no target is judged.

## Targets

| work | target | found | |
|---|---|--:|---|
"""
MET = {True: "met", False: "**not met**"}
_SECTION = re.compile(r"^<a id=\"(\w+)\"></a>$", re.MULTILINE)
_ROW = re.compile(r"^\| \[[^\]]*\]\(#(\w+)\) \|.*$", re.MULTILINE)


def write(records: dict[str, Record], target: Path, plots: Path, *, quick: bool = False) -> None:
    """Makes the page and the plots of all records anew; keeps what the page has of other workloads. The quick form is not judged."""
    old = target.read_text(encoding="utf-8") if target.exists() else ""
    rows: dict[str, list[str]] = {}
    for match in _ROW.finditer(old):
        rows.setdefault(match[1], []).append(match[0])
    pieces = _SECTION.split(old)[1:]
    sections = {key: text.strip("\n") for key, text in zip(pieces[::2], pieces[1::2], strict=True)}
    plots.mkdir(parents=True, exist_ok=True)
    for key, record in records.items():
        workload = WORKLOADS.get(key, Workload(key))
        verdicts = [goal.judge(record) for goal in workload.targets]
        if quick:
            verdicts = [replace(verdict, found="not judged", met=None) for verdict in verdicts]
        rows[key] = [_row(key, workload, verdict) for verdict in verdicts]
        sections[key] = _section(record, workload, verdicts, plots.name)
        picture = plot.draw(record, log=workload.log, lines=workload.lines)
        (plots / f"{key}.svg").write_text(picture, encoding="utf-8")
    order = [key for key in WORKLOADS if key in sections] + sorted(sections.keys() - WORKLOADS.keys())
    text = (QUICK if quick else HEAD) + "".join(f"{row}\n" for key in order for row in rows.get(key, []))
    text += "".join(f'\n<a id="{key}"></a>\n\n{sections[key]}\n' for key in order)
    target.write_text(text, encoding="utf-8")


def _row(key: str, workload: Workload, verdict: Verdict) -> str:
    # Without a verdict, what was found is why there is none.
    found, met = ("", verdict.found) if verdict.met is None else (verdict.found, MET[verdict.met])
    return f"| [{workload.title}](#{key}) | {verdict.wanted} | {found} | {met} |"


def explanation(key: str) -> str:
    """What a workload says of itself: the docstring of its Python file, or the comment that its C++ file opens with."""
    python, cpp = BENCH / key / "workload.py", BENCH / "cpp" / key / "workload.cpp"
    if python.exists():
        return " ".join((ast.get_docstring(ast.parse(python.read_text(encoding="utf-8"))) or "").split())
    if cpp.exists():
        comment = re.match(r"(//[^\n]*\n)+", cpp.read_text(encoding="utf-8"))
        return " ".join(comment[0].replace("//", "").split()) if comment else ""
    return ""


def _section(record: Record, workload: Workload, verdicts: list[Verdict], plots: str) -> str:
    lines = [f"## {workload.title}", ""]
    if said := explanation(record.workload):
        lines += [said, ""]
    lines += [f"![{workload.title}]({plots}/{record.workload}.svg)", "", *_table(record), ""]
    lines += _missing(record)
    if judged := [verdict for verdict in verdicts if verdict.met is not None]:
        lines += [f"- {MET[verdict.met is True]}: {verdict.wanted}; found {verdict.found}" for verdict in judged]
        lines.append("")
    lines.append(f"{record.rounds} rounds, {record.date}: {record.machine}.")
    return "\n".join(lines)


def _table(record: Record) -> list[str]:
    single = len(record.cases) == 1
    head = ["", "version"]
    for case in record.cases:
        head += [f"{case.name}, {case.unit}" if not single else case.unit, "×"]
    if single:
        head.insert(3, "lowest, highest")
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "--:|" * (len(head) - 2)]
    for key, entry in sorted(record.entries.items(), key=lambda item: _rank(record, item[1])):
        if not any(entry.rounds(case.name) for case in record.cases):
            continue
        cells = [f"**{entry.name}**" if key.startswith(OURS) else entry.name, entry.version]
        for case in record.cases:
            rounds, median = entry.rounds(case.name), entry.median(case.name)
            cells.append("–" if median is None else number_text(median))
            if single:
                cells.append(f"{number_text(min(rounds))}, {number_text(max(rounds))}")
            cells.append(_ratio(record, case, key))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _rank(record: Record, entry: Entry) -> tuple[bool, float]:
    """Best first, by the first case; who has no value there comes last."""
    median = entry.median(record.cases[0].name)
    if median is None:
        return True, 0.0
    return False, -median if record.cases[0].better == "higher" else median


def _ratio(record: Record, case: Case, key: str) -> str:
    if key == OURS or OURS not in record.entries:
        return ""
    ratio = record.ratio(case, key)
    return "" if ratio is None else f"{number_text(ratio)} ×"


def _missing(record: Record) -> list[str]:
    lines = []
    for entry in record.entries.values():
        reasons: dict[str, list[str]] = {}
        for case, reason in entry.trouble.items():
            reasons.setdefault(reason, []).append(case)
        for reason, cases in reasons.items():
            which = f" ({', '.join(cases)})" if "" not in cases and len(cases) < len(record.cases) else ""
            lines.append(f"- {entry.name}{which}: {reason}")
        lines += [f"- {entry.name}: {note}" for note in entry.notes]
    return [*lines, ""] if lines else []
