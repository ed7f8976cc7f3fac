"""`make demo`: the main job in both faces. Every claim is checked; the exit status says whether all of them hold.

python examples/demo/run.py FOLDER_OF_THE_CPP_PROGRAMS [--small]
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def text_files(root: str) -> list[str]:
    """Every file below `root` that may be text: not empty and no NUL byte in its first 4 KiB. What cannot be opened is kept."""
    found = []
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                if not os.path.isfile(path) and not os.path.islink(path):
                    continue
                with open(path, "rb") as file:
                    head = file.read(4096)
            except OSError:
                found.append(path)
                continue
            if head and b"\0" not in head:
                found.append(path)
    return found


def awkward_files(folder: Path) -> list[str]:
    """One of each kind that fails, so that there is one on every machine: root may read everything in /usr/share."""
    gone = folder / "gone.txt"
    gone.symlink_to(folder / "nowhere")
    latin = folder / "latin-1.txt"
    latin.write_bytes("Tür und Tor".encode("latin-1"))
    directory = folder / "folder.txt"
    directory.mkdir()
    return [str(gone), str(latin), str(directory)]


def main() -> int:
    """Runs all parts; a part that fails does not keep the others from running."""
    programs = Path(sys.argv[1]).resolve()
    small = "--small" in sys.argv[2:]
    broken = []

    def part(title: str, *command: str) -> None:
        print(f"\n── {title}", flush=True)
        if subprocess.run(command, check=False).returncode != 0:
            broken.append(title)

    with tempfile.TemporaryDirectory(prefix="centimane-demo-") as scratch:
        # In the middle of the list, so that they are met while everything is in full swing.
        files = text_files("/usr/share")
        if small:
            files = files[:: max(1, len(files) // 1500)]
        files[len(files) // 2 : len(files) // 2] = awkward_files(Path(scratch))
        listing = Path(scratch, "files")
        listing.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in files))

        n = "1000000" if small else "10000000"
        python = sys.executable
        part("Python, sum of squares", python, str(HERE / "squares.py"), n)
        part("C++, sum of squares", str(programs / "squares"), n)
        part("Python, word frequencies under /usr/share", python, str(HERE / "words.py"), str(listing))
        part("C++, word frequencies under /usr/share", str(programs / "words"), str(listing))

    if broken:
        print(f"\ndemo: FAILED: {'; '.join(broken)}")
        return 1
    print("\ndemo: every claim holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
