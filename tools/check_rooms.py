"""Checks the rules of the house that no compiler checks (ARCHITECTURE.md, "The rooms").

- Arrows between rooms point down only: each `#include` is looked up in the table below.
- The pure rooms (policy, wire) include no header of threads, clocks or the system.
- Only src/platform makes system calls and reads clocks; nobody reads the wall clock.
- Each source file opens with a comment that says what it is; a .cpp may leave that to the header of its name.

Prints what breaks a rule, then how long the files are; the exit status says whether all rules hold.
"""

import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LEAVES = {"centimane/detail/words.hpp", "centimane/bytes.hpp"}
ENGINE = LEAVES | {"centimane/errors.hpp", "centimane/detail/payload.hpp"}
EXECUTOR = {"platform", "memory", "policy", "wire"}

# room: (rooms it may include besides itself, headers beyond those). `run/port.hpp` and the payload are the executors' interface: it is
# declared above them and implemented by them. A name that ends in "/" stands for all headers below it.
MAY_INCLUDE: dict[str, tuple[set[str], set[str]]] = {
    "platform": (set(), ENGINE | {"centimane/cpu_count.hpp", "centimane/detail/large_memory.hpp"}),
    "wire": (set(), ENGINE | {"centimane/detail/codec_builtin.hpp"}),
    "policy": (set(), LEAVES),
    "memory": ({"platform"}, ENGINE),
    "share": (EXECUTOR, {"centimane/"}),
    "thread": (EXECUTOR, {"run/port.hpp", "centimane/"}),
    "process": (EXECUTOR, {"run/port.hpp", "centimane/"}),
    "run": (EXECUTOR | {"thread", "process"}, {"centimane/"}),
    "face": (EXECUTOR | {"share", "thread", "process", "run"}, {"centimane/"}),
}
PURE = {"policy", "wire"}
IMPURE_HEADERS = {
    *("thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore", "latch", "barrier", "stop_token"),
    *("chrono", "ctime", "time.h", "atomic", "random", "fstream", "iostream", "filesystem", "csignal", "signal.h"),
}

# Headers that exist to make system calls. <sys/types.h> only names types.
SYSTEM_HEADER = re.compile(
    r"^(sys/(?!types\.h)\w+|linux/\w+|unistd|fcntl|poll|sched|spawn|pthread|dirent|dlfcn|link|execinfo|termios|time)(\.h)?$"
)
# A call that is qualified as global is one of the C library's: `::close(fd)`.
SYSTEM_CALL = re.compile(r"(?<![\w>])::(?!operator\b|new\b|delete\b)([a-z]\w*)\(")
# Files outside platform whose matter a system call is, each with its reason. To port centimane to another system is to rewrite
# platform and these.
PLATFORM_ONLY = "belongs to src/platform"
PROCESS_LIFE = "how a process is born, told apart, ended and survived is the system's own from end to end"
SYSTEM_ALLOWED: dict[str, str] = {
    "src/face/ancestor.cpp": PROCESS_LIFE,
    "src/face/code_address.cpp": "asks the dynamic linker in which module a function lies",
    "src/face/progress_bar.cpp": "writes to the terminal",
    "src/face/warm_pools.cpp": "asks whether this process is still the one that opened the pools",
    "src/process/bell.cpp": "a pipe and a page, with the sleep that must not lose a signal",
    "src/process/birth.cpp": PROCESS_LIFE,
    "src/process/children.cpp": PROCESS_LIFE,
    "src/process/containment.cpp": PROCESS_LIFE,
    "src/process/control.cpp": "messages with descriptors over a socket pair",
    "src/process/crash_text.cpp": "runs in signal handlers, where only system calls are safe",
    "src/process/leave.cpp": PROCESS_LIFE,
    "src/process/lifeline.cpp": PROCESS_LIFE,
    "src/process/worker.cpp": PROCESS_LIFE,
    "src/process/zygote.cpp": PROCESS_LIFE,
    "src/process/zygote_life.cpp": PROCESS_LIFE,
}

WALL_CLOCK_CPP = re.compile(
    r"\bsystem_clock\b|\bCLOCK_REALTIME\b|\bgettimeofday\b|\b(?:std::|::)time\(|\blocaltime|\bstrftime"
)
CLOCK_CPP = re.compile(r"\bsteady_clock::now|\bhigh_resolution_clock\b|\bclock_gettime\b")
# Where a date that somebody else wrote is compared with today.
WALL_CLOCK_ALLOWED = {"python/centimane/_http.py"}
WALL_CLOCK_PY = re.compile(
    r"\btime\.time(?:_ns)?\(|\bdatetime\.(?:now|today|utcnow)\(|\bfrom time import .*\btime\b(?!\w)"
)

LONG = 500


def tracked(*patterns: str) -> list[Path]:
    """Files of the tree that match, also new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(name) for name in sorted(set(names)) if (ROOT / name).is_file()]


def permitted(header: str, rooms: set[str], headers: set[str]) -> bool:
    """Is this include of ours in the table?"""
    room = header.split("/", 1)[0]
    return room in rooms or header in headers or any(h.endswith("/") and header.startswith(h) for h in headers)


def check_includes(path: Path, lines: list[str]) -> list[str]:
    """The rules about #include lines for one C++ file of src/ or include/."""
    found = []
    public = path.parts[0] == "include"
    room = "include" if public else path.parts[1]
    rooms, headers = (set(), {"centimane/"}) if public else MAY_INCLUDE[room]
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
        if not match:
            continue
        ours, system = match.groups()
        at = f"{path}:{number}"
        if ours and not permitted(ours, rooms | {room}, headers):
            found.append(f"{at}: {room} may not include {ours}")
        if system and room in PURE and (system in IMPURE_HEADERS or SYSTEM_HEADER.match(system)):
            found.append(f"{at}: {room} is pure and may not include <{system}>")
        elif system and room != "platform" and SYSTEM_HEADER.match(system):
            found.append(f"{at}: <{system}> {PLATFORM_ONLY}")
    return found


def check_calls(path: Path, lines: list[str]) -> list[str]:
    """No wall clock anywhere; no clock and no system call but platform's in the engine."""
    found = []
    python = path.suffix in {".py", ".pyi"}
    for number, line in enumerate(lines, 1):
        code = line.split("#" if python else "//", 1)[0]
        if str(path) not in WALL_CLOCK_ALLOWED and (WALL_CLOCK_PY if python else WALL_CLOCK_CPP).search(code):
            found.append(f"{path}:{number}: wall clock; time is monotonic here")
        elif path.parts[0] == "src" and path.parts[1] not in {"platform", "face"} and CLOCK_CPP.search(code):
            found.append(f"{path}:{number}: clocks are read by platform::now")
        elif path.parts[0] == "src" and path.parts[1] != "platform":
            found += [f"{path}:{number}: ::{name}() {PLATFORM_ONLY}" for name in SYSTEM_CALL.findall(code)]
    return found


def told_elsewhere(path: Path) -> bool:
    """Does a header of the same name say what this file is? A test's name says it too."""
    public = [ROOT / "include" / "centimane" / folder / f"{path.stem}.hpp" for folder in ("", "detail")]
    headers = [ROOT / path.with_suffix(".hpp"), *public]
    return path.suffix == ".cpp" and (path.stem.endswith("_test") or any(header.is_file() for header in headers))


def apply_allowances(found: list[str]) -> list[str]:
    """Takes out what SYSTEM_ALLOWED allows, and tells of entries there that are not needed any more."""
    used = {name for name in SYSTEM_ALLOWED for line in found if line.startswith(f"{name}:") and PLATFORM_ONLY in line}
    kept = [line for line in found if not (PLATFORM_ONLY in line and line.partition(":")[0] in used)]
    return kept + [f"{Path(__file__).name}: {name} needs no allowance" for name in SYSTEM_ALLOWED if name not in used]


def main() -> int:
    """Runs all checks over the tree."""
    found: list[str] = []
    lengths: dict[Path, int] = {}
    for path in tracked(
        "src/*.[ch]pp", "include/*.hpp", "python/*.[ch]pp", "python/*.py", "tests/*.[ch]pp", "tests/*.py"
    ):
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        lengths[path] = len(lines)
        if path.suffix in {".cpp", ".hpp"}:
            if not told_elsewhere(path) and (not lines or not lines[0].startswith("//")):
                found.append(f"{path}:1: a file opens with a comment that says what it is")
            if path.parts[0] in {"src", "include"}:
                found += check_includes(path, lines)
        if path.parts[0] in {"src", "include", "python"}:
            found += check_calls(path, lines)
    found = apply_allowances(found)
    for line in found:
        print(line)
    product = [n for path, n in lengths.items() if path.parts[0] != "tests"]
    if product:
        print(
            f"rooms: {len(product)} files, median {statistics.median(product):.0f} lines, longest {max(product)}; {len(found)} findings"
        )
    for path, n in sorted(lengths.items(), key=lambda entry: -entry[1]):
        if n > LONG:
            print(f"  {n} lines: {path}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
