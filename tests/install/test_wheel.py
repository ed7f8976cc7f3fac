"""What `pip install .` gives: the package, its extension, its types, and nothing else; it works away from the source tree."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import centimane
assert not centimane.__file__.startswith({root!r}), centimane.__file__
for executor in ("sequential", "thread", "process"):
    result = centimane.parallel_map(lambda x: x * x, range(100), executor=executor, workers=2)
    assert list(result.values()) == [x * x for x in range(100)], executor
print("works")
"""


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The wheel, built as pip builds it, but with the build tools that are there; the one that is installed for the demo."""
    built = subprocess.run(
        ["tools/set-up.sh", "wheel", sys.prefix],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        timeout=1200,
    )
    return ROOT / built.stdout.strip()


@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/", 1)[0].partition("-")[0] for name in names} == {"centimane"}
    package = [name for name in names if name.startswith("centimane/")]
    assert [name for name in package if not name.endswith((".py", ".pyi", ".so", "/py.typed"))] == []
    assert "centimane/py.typed" in package
    assert "centimane/_core.pyi" in package
    sources = {
        f"centimane/{p.relative_to(ROOT / 'python' / 'centimane')}"
        for p in (ROOT / "python" / "centimane").rglob("*.py")
    }
    assert sources <= set(package)


@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_the_extension_shows_nothing_but_its_entry(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (extension,) = [name for name in archive.namelist() if name.endswith(".so")]
        archive.extract(extension, tmp_path)
    nm = subprocess.run(
        ["nm", "-D", "--defined-only", str(tmp_path / extension)], capture_output=True, text=True, check=True
    )
    assert {line.split()[-1] for line in nm.stdout.splitlines()} == {"PyInit__core"}


@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_it_works_installed(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    zipfile.ZipFile(wheel).extractall(site)
    # The dependencies come from here; a folder named in a .pth file brings no .pth files of its own, so no editable install.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(root=str(ROOT)))
    run = subprocess.run(
        [home / "bin" / "python", program], capture_output=True, text=True, cwd="/", check=False, timeout=120
    )
    assert (run.returncode, run.stdout) == (0, "works\n"), run.stderr
