"""What a start loads: the lists below are the budget. A module that a new import brings fails here, whatever the machine's mood.

Whoever adds to a list has measured it: an interpreter starts in some ten milliseconds, ``typing`` alone costs three, ``cloudpickle``
twenty. Each program runs without ``site``, which loads ``os`` and may load anything, on a copy of the package made of links.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import centimane
from centimane import _core
from centimane.futures import ProcessPoolExecutor

# What _pickle brings, with which the engine writes and reads all that is no scalar.
PICKLE = {
    "_collections",
    "_compat_pickle",
    "_functools",
    "_operator",
    "_pickle",
    "collections",
    "copyreg",
    "functools",
    "itertools",
    "keyword",
    "operator",
    "reprlib",
    "types",
}
IMPORT = {
    "__future__",
    "atexit",
    "centimane",
    "centimane._check",
    "centimane._core",
    "centimane._map",
    "centimane._nesting",
    "centimane._plan",
    "centimane._run",
} | PICKLE
# While the first process of the pool starts, the driver loads what it needs to write functions and to read outcomes.
DRIVER = IMPORT | {
    "_opcode",
    "_opcode_metadata",  # 3.13
    "centimane._by_value",
    "centimane._errors",
    "centimane._functions",
    "centimane._pickling",
    "centimane._processes",
    "centimane._remote",
    "centimane._result",
    "centimane._state",
    "enum",
    "opcode",
}
WORKER = {
    "__future__",
    "__mp_main__",
    "_warnings",
    "atexit",
    "centimane",
    "centimane._core",
    "centimane._functions",
    "centimane._nesting",
    "centimane._output",
    "centimane._state",
    "centimane._worker",
    "centimane._zygote",
    "faulthandler",
    "gc",
} | PICKLE


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A directory with the package made of links: found without what an editable install adds to an interpreter."""
    package = tmp_path / "site" / "centimane"
    package.mkdir(parents=True)
    for part in [*Path(centimane.__file__).parent.glob("*.py"), Path(str(_core.__file__))]:
        (package / part.name).symlink_to(part)
    return package.parent


Loaded = Callable[[str], "set[str]"]


@pytest.fixture
def loaded(linked: Path) -> Loaded:
    """Runs a program and answers the names it prints; ``bare`` holds the modules of an interpreter that runs nothing."""

    def run(program: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-S", "-c", f"import os, sys; bare = set(sys.modules)\n{program}"],
            env={**os.environ, "PYTHONPATH": str(linked)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=linked,
        )
        return set(done.stdout.split())

    return run


def test_the_package_itself_loads_nothing(loaded: Loaded) -> None:
    assert loaded("import centimane; print(*(set(sys.modules) - bare))") == {"centimane"}


def test_what_a_face_costs(loaded: Loaded) -> None:
    assert loaded("from centimane import parallel_map; print(*(set(sys.modules) - bare))") <= IMPORT


@pytest.mark.parametrize("function", ["abs", "lambda x: x + offset"])
def test_what_a_first_map_loads(loaded: Loaded, function: str) -> None:
    program = f"""
from centimane import parallel_map
offset = 3
parallel_map({function}, [1, 2], executor="process", workers=2).values()
print(*(set(sys.modules) - bare))
"""
    assert loaded(program) <= DRIVER


def test_what_workers_load(loaded: Loaded) -> None:
    program = """
from centimane import parallel_map
def names(_):
    import sys
    return sorted(sys.modules)
lists = parallel_map(names, [1, 2], executor="process", workers=2).values()
print(*({name for names in lists for name in names} - bare))
"""
    assert loaded(program) <= WORKER


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-B"],
        ["-O"],
        ["-OO", "-s"],
        ["-P"],
        ["-S", "-W", "error::UserWarning", "-Wignore"],
        ["-E"],
        ["-I"],
        ["-b"],
        ["-bb"],
        ["-q"],
        ["-X", "dev"],
        ["-X", "faulthandler", "-X", "utf8=1"],
    ],
)
def test_workers_get_the_flags_of_the_driver(linked: Path, flags: list[str]) -> None:
    """Those of subprocess, which need not be imported for the usual ones."""
    program = f"""
import sys
sys.path.insert(0, {str(linked)!r})
from centimane import _processes
ours = _processes._interpreter_flags()
import subprocess
print(sorted(ours) == sorted(subprocess._args_from_interpreter_flags()), ours)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *flags, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd=linked
    )
    assert done.stdout.startswith("True "), done.stdout


def frozen(_item: object) -> tuple[int, bool]:
    """How many objects this worker's ancestor had when it was forked, and whether a module came with them."""
    return gc.get_freeze_count(), "traceback" in sys.modules


def test_workers_that_replace_others_find_modules_loaded() -> None:
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as executor:
        counts = [executor.submit(frozen, n).result() for n in range(6)]
    assert counts[0][0] < counts[-1][0]
    assert counts[-1][1]
