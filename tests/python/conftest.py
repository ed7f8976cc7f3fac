"""Around every test: the leak check, and the executors that must agree."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from leaks import MARK, Surroundings, let_go_of_warm_things

EXECUTORS = ("sequential", "thread", "process")


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Every test gives back what it took."""
    import centimane._map  # what is loaded once and kept is no leak
    import centimane._pickling
    import centimane._processes  # noqa: F401

    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
    before = Surroundings.now(mark)
    yield mark
    let_go_of_warm_things(but=before.threads)
    before.expect_nothing_new()


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> str:
    """Each executor in turn."""
    name: str = request.param
    return name


Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a program in an interpreter of its own, as a file, by ``-c`` or from standard input."""

    def run(
        source: str, *, how: str = "file", arguments: tuple[str, ...] = (), timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        source = textwrap.dedent(source)
        command = [sys.executable, "-X", "faulthandler", *arguments]
        given: str | None = None
        if how == "file":
            path = tmp_path / "program.py"
            path.write_text(source)
            command.append(str(path))
        elif how == "-c":
            command += ["-c", source]
        else:
            command.append("-")
            given = source
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ.copy(),
            cwd=tmp_path,
            check=False,
        )

    return run
