"""Each fault of the table, among squares, on both faces: it costs itself and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .scene import Scene, marks_of
from .table import FAULTS, Fault

ROWS = [
    pytest.param(fault, face, id=f"{fault.id}-{face}", marks=marks_of(face)) for fault in FAULTS for face in fault.faces
]
WHERE = (3, 40)
COUNT = 60


@pytest.mark.parametrize(("fault", "face"), ROWS)
def test_fault(fault: Fault, face: str, stage: Callable[..., Scene]) -> None:
    tasks: list[list[Any]] = [["square", n] for n in range(COUNT)]
    for n in WHERE:
        tasks[n] = [fault.deed, fault.argument]
    squares = [["square", n] for n in range(COUNT)]
    it = stage(face, {"runs": [{"tasks": tasks, "options": fault.options}, {"tasks": squares}]})
    lines = it.lines()
    code = it.end()
    assert code == 0, lines
    assert len(lines) == 2, lines
    first, second = lines
    assert first.get("status") == "completed", first
    beside = 0
    for n, outcome in enumerate(first["outcomes"]):
        if n in WHERE:
            expect(fault, face, outcome)
        elif fault.beside is not None and "error" in outcome:
            beside += 1
            assert fault.beside.items() <= outcome.items(), (n, outcome)
        else:
            assert outcome == {"value": n * n}, (n, outcome)
    assert beside <= len(WHERE), "each deed has one neighbour: there are two workers"
    assert second["ok"], second
    assert second["outcomes"] == [{"value": n * n} for n in range(COUNT)]


def expect(fault: Fault, face: str, outcome: dict[str, Any]) -> None:
    if fault.promised is None:
        wanted = fault.argument**2 if fault.value is None else fault.value
        assert outcome == {"value": wanted}
        return
    assert "error" in outcome, outcome
    for name, wanted in fault.promised.items():
        assert outcome.get(name) == wanted, (name, outcome)
    if face in fault.says:
        assert fault.says[face] in outcome["text"] + outcome.get("stack", ""), outcome
