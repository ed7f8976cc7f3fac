"""Holds the contests and writes the report; `make bench` and `make bench-quick` call it. README.md beside it is its guide.

python bench/run.py [--quick] [--rounds N] [WORKLOAD...]     measures all workloads, or those named
python bench/run.py --report                                 writes the report again, from what is recorded
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from harness import contest, cpp, processes, report
from harness.catalog import BENCH, ROOT, workloads
from harness.records import Record
from targets import WORKLOADS

PROGRAMS = ROOT / "build/release/bench"


def told(record: Record) -> str:
    """One line to watch a run by."""
    parts = []
    for case in record.cases:
        for key, entry in record.entries.items():
            if (median := entry.median(case.name)) is not None:
                ratio = record.ratio(case, key) if key != "centimane" and "centimane" in record.entries else None
                parts.append(
                    f"  {case.name:24} {entry.name:48} {median:14,.5g} {case.unit}"
                    + (f"  {ratio:.3g} ×" if ratio else "")
                )
    return "\n".join(parts)


def measure(names: list[str], rounds: int, build: Path, *, quick: bool) -> bool:
    """Every contest in turn, each kept as it ends. Did centimane take part in all of them?"""
    processes.adopt_orphans()
    complete = True
    for name in names:
        begin = time.monotonic()
        print(f"{name}", flush=True)
        if name in workloads():
            record = contest.run(name, rounds, build, quick=quick, tell=print)
        else:
            record = cpp.run(PROGRAMS / name, rounds, quick=quick, tell=print)
        record.write(build)
        ours = record.entries.get("centimane")
        complete &= ours is not None and all(ours.rounds(case.name) for case in record.cases) and not ours.trouble
        print(f"{told(record)}\n  {time.monotonic() - begin:.1f} s", flush=True)
    return complete


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--quick", action="store_true", help="one tiny round: shows that it works, measures nothing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", action="store_true", help="measures nothing, writes the report again")
    args = parser.parse_args()
    build = ROOT / "build" / ("bench-quick" if args.quick else "bench")
    there = workloads() + cpp.programs(PROGRAMS)
    there.sort(key=lambda name: list(WORKLOADS).index(name) if name in WORKLOADS else len(WORKLOADS))
    if unknown := set(args.workloads) - set(there):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that competitors are ended in order
    complete = True
    if not args.report:
        complete = measure(args.workloads or there, 1 if args.quick else args.rounds, build, quick=args.quick)
    records = {path.stem: Record.read(path) for path in sorted(build.glob("*.json"))}
    page = build / "RESULTS.md" if args.quick else BENCH / "RESULTS.md"
    report.write(records, page, page.parent / "plots", quick=args.quick)
    print(f"written: {page.relative_to(ROOT)}")
    if not complete:
        print("bench: centimane has no result in some workload", file=sys.stderr)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
