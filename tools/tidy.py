"""clang-tidy over the sources of one folder, several of one room to a translation unit.

    tools/tidy.py DATABASE FOLDER [--jobs N]    DATABASE: a build folder with compile_commands.json

Most of what clang-tidy does for a file it does for the standard library's headers: read together, twenty files cost little more than
one. Files whose private names collide when they are read together are told apart by halving. Exit status 1 for a finding.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Several units a processor keep both busy to the end.
MOST_TOGETHER = 12

#: What a translation unit is compiled with; the files of one group share it.
Flags = tuple[str, ...]


def flags_of(entry: dict[str, str]) -> Flags:
    """The compiler and its flags, without the launcher before it, the source, the object, the dependencies and what is compiled
    beforehand: clang cannot read gcc's, and a source has to stand without it.
    """
    words = shlex.split(entry["command"])
    while words and Path(words[0]).name == "ccache":
        words.pop(0)
    kept, skip = [], False
    for word in words:
        if skip or word in ("-c", entry["file"]):
            skip = False
        elif word in ("-o", "-MF", "-MT", "-MQ", "-include"):
            skip = True
        elif word not in ("-MD", "-MMD", "-Winvalid-pch"):
            kept.append(word)
    return tuple(kept)


def groups(database: Path, folder: Path) -> list[tuple[Flags, list[Path]]]:
    """Files that lie in one folder and are compiled alike, in portions of one size."""
    alike: dict[tuple[Path, Flags], list[Path]] = defaultdict(list)
    for entry in json.loads((database / "compile_commands.json").read_text()):
        file = Path(entry["file"])
        if file.is_relative_to(folder) and file not in alike[file.parent, flags_of(entry)]:
            alike[file.parent, flags_of(entry)].append(file)
    found = []
    for (_, flags), files in alike.items():
        portions = -(-len(files) // MOST_TOGETHER)
        found += [(flags, files[i::portions]) for i in range(portions)]
    return found


def unit(at: Path, files: list[Path]) -> Path:
    """Writes a source that consists of these."""
    text = at / f"{files[0].stem}_and_{len(files) - 1}.cpp"
    text.write_text("".join(f'#include "{file}"\n' for file in files))
    return text


def look(flags: Flags, files: list[Path]) -> tuple[list[Path], str, bool]:
    """The findings in these files; halves them if they do not go together."""
    with tempfile.TemporaryDirectory() as folder:
        source = unit(Path(folder), files)
        if len(files) > 1:
            together = subprocess.run(
                [*flags, "-w", "-fsyntax-only", source], capture_output=True, cwd=ROOT, check=False
            )
            if together.returncode != 0:
                halves = [look(flags, half) for half in (files[::2], files[1::2])]
                return files, "".join(text for _, text, _ in halves), all(clean for _, _, clean in halves)
        # The database is gcc's: clang need not know each of its warnings.
        command = ["clang-tidy-14", "-quiet", f"--config-file={ROOT / '.clang-tidy'}"]
        command += ["--checks=-bugprone-suspicious-include", str(source), "--"]
        done = subprocess.run(
            [*command, *flags[1:], "-Wno-unknown-warning-option"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        return files, done.stdout + (done.stderr if done.returncode != 0 else ""), done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    work = groups(given.database, given.folder.resolve())
    if not work:
        print(f"no source of {given.folder} in {given.database}", file=sys.stderr)
        return 1
    clean = True
    with ThreadPoolExecutor(given.jobs) as workers:
        for files, text, fine in workers.map(lambda group: look(*group), work):
            if not fine:
                clean = False
                print(f"-- among {' '.join(str(file.relative_to(ROOT)) for file in files)}\n{text}")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
