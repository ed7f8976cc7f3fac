"""What a contest leaves behind: every value of every round, as it is kept in build/bench/<workload>.json. Pure."""

from __future__ import annotations

import dataclasses
import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Better = Literal["lower", "higher"]
OURS = "centimane"


@dataclass(frozen=True)
class Case:
    """One quantity of a workload; a workload has one or several."""

    name: str
    unit: str
    better: Better


@dataclass
class Entry:
    """One competitor: its values by case, one a round, and why there are none where there are none."""

    name: str
    version: str
    values: dict[str, list[float | None]] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)
    """By case; under "" what holds for all of them."""
    notes: list[str] = field(default_factory=list)

    def rounds(self, case: str) -> list[float]:
        """The values that there are."""
        return [value for value in self.values.get(case, []) if value is not None]

    def median(self, case: str) -> float | None:
        """The median of all rounds, None without any."""
        values = self.rounds(case)
        return statistics.median(values) if values else None

    def why(self, case: str) -> str:
        """Why there is no value, or not one in each round."""
        return self.trouble.get(case) or self.trouble.get("") or ""


@dataclass
class Record:
    """One workload, measured once on one machine. Competitors are keyed by their file's name; ours is `centimane`."""

    workload: str
    rounds: int
    date: str
    machine: str
    cases: list[Case]
    entries: dict[str, Entry]

    def ratio(self, case: Case, theirs: str, ours: str = OURS) -> float | None:
        """How many times better ours is than theirs: the median of the ratios of each round. None if they share no round."""
        ratios = []
        for a, b in zip(
            self.entries[ours].values.get(case.name, []), self.entries[theirs].values.get(case.name, []), strict=False
        ):
            if a is not None and b is not None and a > 0 and b > 0:
                ratios.append(a / b if case.better == "higher" else b / a)
        return statistics.median(ratios) if ratios else None

    def write(self, folder: Path) -> None:
        """Keeps it."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dataclasses.asdict(self), indent=1)
        (folder / f"{self.workload}.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Record:
        """Takes up what was kept."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        raw["cases"] = [Case(**case) for case in raw["cases"]]
        raw["entries"] = {key: Entry(**entry) for key, entry in raw["entries"].items()}
        return cls(**raw)
