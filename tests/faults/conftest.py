"""The fault suite's fixtures: both faces, and the leak check around every test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .scene import Scene, marks_of, residue

PATIENCE = 20.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "face" in metafunc.fixturenames and not any(
        "face" in m.args[0] for m in metafunc.definition.iter_markers("parametrize")
    ):
        metafunc.parametrize("face", [pytest.param(face, marks=marks_of(face)) for face in ("python", "cpp")])


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = residue()
    yield
    left = residue() - before
    # The whole machine has it in common: a test beside this one takes its own away.
    latest = time.monotonic() + PATIENCE
    while left and time.monotonic() < latest:
        time.sleep(0.05)
        left &= residue()
    assert left == set()


@pytest.fixture
def stage() -> Iterator[Callable[..., Scene]]:
    """Makes scenes; ends them with the test."""
    made: list[Scene] = []

    def make(face: str, plan: dict[str, Any], **more: Any) -> Scene:
        made.append(Scene(face, plan, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()
