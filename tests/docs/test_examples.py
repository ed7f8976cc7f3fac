"""Every example of README.md and docs/ runs and prints what the guide says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from examples import GUIDES, ROOT, Example, examples

PYTHON = examples("python")
CPP = examples("cpp")
# The C++ build that examples are linked with; `make test` names it.
BUILD = os.environ.get("CENTIMANE_BUILD")


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program in a folder of its own, as a user would: no terminal, stdin empty."""
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )


def judge(example: Example, done: subprocess.CompletedProcess[str]) -> None:
    """It ends well and says what the guide says."""
    assert done.returncode == 0, f"{example}\n{done.stdout}{done.stderr}"
    if example.output is not None:
        assert done.stdout == example.output


def test_each_guide_has_examples() -> None:
    told = {example.guide for example in PYTHON + CPP}
    assert told >= {"README.md", "docs/python.md", "docs/cpp.md"}
    assert told <= set(GUIDES)


def test_excerpts_are_out_of_the_examples_folder() -> None:
    """What is shown as `cc` is no program, but part of one that ctest runs."""
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples" / "cpp").glob("*.cpp"))]
    for excerpt in examples("cc"):
        assert any(excerpt.code in source for source in sources), str(excerpt)


@pytest.mark.parametrize("example", PYTHON, ids=str)
def test_python(example: Example, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(example.code, encoding="utf-8")
    judge(example, run([sys.executable, str(script)], tmp_path))


@pytest.mark.skipif(not BUILD, reason="CENTIMANE_BUILD does not name a C++ build")
@pytest.mark.parametrize("example", CPP, ids=str)
def test_cpp(example: Example, tmp_path: Path) -> None:
    source = tmp_path / "example.cpp"
    source.write_text(f'#line {example.line} "{example.guide}"\n{example.code}', encoding="utf-8")
    compiler = os.environ.get("CXX", "g++")
    command = [
        compiler,
        "-std=c++20",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{ROOT / 'include'}",
        str(source),
        "-o",
        str(tmp_path / "example"),
    ]
    folder = ROOT / str(BUILD)
    sqlite = ["-lsqlite3"] if "CENTIMANE_SQLITE:BOOL=ON" in (folder / "CMakeCache.txt").read_text() else []
    built = run([*command, str(folder / "libcentimane.a"), "-pthread", *sqlite], tmp_path)
    assert built.returncode == 0, built.stderr
    judge(example, run([str(tmp_path / "example")], tmp_path))
