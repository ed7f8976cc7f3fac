"""Which workloads and competitors there are, and what a competitor's file says of itself, without running it."""

from __future__ import annotations

import ast
import importlib.metadata
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent


@dataclass(frozen=True)
class Competitor:
    """One file of a workload's folder."""

    key: str
    name: str
    version: str
    missing: str
    """Why it cannot take part; empty if it can."""
    noisy: bool
    """Its daemons work when it rests: it is stopped while others measure."""


def workloads() -> list[str]:
    """The Python workloads: folders with a `workload.py`."""
    return sorted(path.parent.name for path in BENCH.glob("*/workload.py"))


def competitors(workload: str) -> list[Competitor]:
    """All of a workload, ours first."""
    files = sorted((BENCH / workload).glob("*.py"), key=lambda path: (not path.stem.startswith("centimane"), path.stem))
    return [_read(path) for path in files if path.stem not in ("workload", "__init__")]


def _read(path: Path) -> Competitor:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            try:
                said[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # a constant of its own business
                continue
    distribution = said.get("DISTRIBUTION")
    version, missing = f"CPython {platform.python_version()}", ""
    if distribution is not None:
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            version, missing = "", f"not installed{_reason(distribution)}"
    return Competitor(path.stem, said.get("NAME", path.stem), version, missing, bool(said.get("NOISY")))


def _reason(distribution: str) -> str:
    """What tools/set-up.sh wrote down when it could not install it."""
    try:
        lines = (Path(sys.prefix) / "not-installed.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((f": {line.partition('	')[2]}" for line in lines if line.partition("\t")[0] == distribution), "")
