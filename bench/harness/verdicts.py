"""Kinds of targets, and whether a record meets them: computed from its numbers, never from an opinion. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from .records import OURS, Case, Record

Round = dict[tuple[str, str], float]
"""The values of one round, by competitor and case."""


@dataclass(frozen=True)
class Verdict:
    """What was wanted, what was found."""

    wanted: str
    found: str
    met: bool | None
    """None: there is nothing to compare."""


class Target:
    """What a workload is to reach."""

    def judge(self, record: Record) -> Verdict:
        """Compares."""
        raise NotImplementedError


@dataclass(frozen=True)
class Times(Target):
    """So many times better than one competitor, as the median of the ratios of each round."""

    factor: float
    against: str
    case: str | None = None
    ours: str = OURS

    def judge(self, record: Record) -> Verdict:
        case = find(record, self.case)
        theirs = record.entries.get(self.against)
        name = theirs.name if theirs else self.against
        who = "" if self.ours == OURS else f"{record.entries[self.ours].name}: " if self.ours in record.entries else ""
        wanted = f"{_case(record, case)}{who}≥ {self.factor:g} × {name}"
        if theirs is None or self.ours not in record.entries:
            return Verdict(wanted, "not measured", None)
        ratio = record.ratio(case, self.against, self.ours)
        return (
            Verdict(wanted, why(record, case, self.against), None)
            if ratio is None
            else _told(wanted, ratio, self.factor)
        )


@dataclass(frozen=True)
class TimesBest(Target):
    """So many times better than the best of the others, whoever that is."""

    factor: float
    case: str | None = None
    but: tuple[str, ...] = ()
    """Who is no rival: it does something else, or is the measure itself."""

    def judge(self, record: Record) -> Verdict:
        case = find(record, self.case)
        ratios = {
            key: ratio
            for key in record.entries
            if not key.startswith(OURS) and key not in self.but and (ratio := record.ratio(case, key)) is not None
        }
        wanted = f"{_case(record, case)}≥ {self.factor:.3g} × the best of the others"
        if not ratios:
            return Verdict(wanted, "not measured", None)
        best = min(ratios, key=lambda key: ratios[key])
        verdict = _told(wanted, ratios[best], self.factor)
        return Verdict(wanted, f"{verdict.found} ({record.entries[best].name})", verdict.met)


@dataclass(frozen=True)
class Limit(Target):
    """A quantity computed in each round that must not be more, or not less, than so much; its median counts."""

    wanted: str
    limit: float
    value: Callable[[Round], float] = field(repr=False)
    unit: str = ""
    least: bool = False

    def judge(self, record: Record) -> Verdict:
        found = []
        for number in range(record.rounds):
            values = {
                (key, case): rounds[number]
                for key, entry in record.entries.items()
                for case, rounds in entry.values.items()
                if number < len(rounds)
            }
            try:
                found.append(self.value({at: value for at, value in values.items() if value is not None}))
            except KeyError:  # somebody has no value in this round
                continue
        if not found:
            return Verdict(self.wanted, "not measured", None)
        median = statistics.median(found)
        met = median >= self.limit if self.least else median <= self.limit
        return Verdict(self.wanted, f"{number_text(median)} {self.unit}".strip(), met)


def find(record: Record, name: str | None) -> Case:
    """The case of that name; without a name, the only one."""
    return next((case for case in record.cases if case.name == name), record.cases[0])


def why(record: Record, case: Case, key: str) -> str:
    """Why there is no ratio."""
    return record.entries[key].why(case.name) or record.entries[OURS].why(case.name) or "not measured"


def number_text(value: float) -> str:
    """Three digits, thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    digits = f"{value:.3g}"
    return digits if "e" not in digits else f"{value:.5f}".rstrip("0").rstrip(".")


def _case(record: Record, case: Case) -> str:
    return f"{case.name}: " if len(record.cases) > 1 else ""


def _told(wanted: str, ratio: float, factor: float) -> Verdict:
    return Verdict(wanted, f"{number_text(ratio)} ×", ratio >= factor)
