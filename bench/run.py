"""A map of a function that does nothing over ints, one task an item: centimane against the standard library.

Competitors alternate within one run, so that all meet the same phases of the machine; what is told is the median of the rates and
the ratio of the medians. Nothing is judged here: times are for reading, not for passing.

    python bench/run.py [--quick] [--rounds N] [--write FILE]
"""

import argparse
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import centimane

WORKERS = 2


def nothing(x: int) -> int:
    """The task: what is measured is everything around it."""
    return x


class Competitor:
    """One way to map: how it is set up, how it maps, over how many items."""

    def __init__(self, name: str, items: int, run: Callable[[range], Iterable[int]]) -> None:
        """`run` maps `nothing` over a range and gives the results."""
        self.name, self.items, self.run = name, items, run
        self.rates: list[float] = []

    def round(self, scale: float) -> None:
        """One measured map, its results checked."""
        items = range(max(100, int(self.items * scale)))
        start = time.perf_counter()
        results = self.run(items)
        count = total = 0
        for value in results:
            count += 1
            total += value
        seconds = time.perf_counter() - start
        if (count, total) != (len(items), sum(items)):
            raise AssertionError(f"{self.name}: wrong results")
        self.rates.append(len(items) / seconds)

    @property
    def rate(self) -> float:
        """Items a second, the median of all rounds."""
        return statistics.median(self.rates)


def centimane_map(**options: object) -> Callable[[range], Iterable[int]]:
    """A map by centimane as a user writes it; the pool is warm after the first round."""
    return lambda items: centimane.parallel_map(nothing, items, workers=WORKERS, **options).values()


def measure(rounds: int, scale: float) -> dict[str, list[Competitor]]:
    """Runs all competitors `rounds` times, in turn."""
    with (
        multiprocessing.get_context("spawn").Pool(WORKERS) as pool,
        ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as processes,
        ThreadPoolExecutor(WORKERS) as threads,
    ):
        sections = {
            "processes": [
                Competitor("centimane", 1_000_000, centimane_map(executor="process")),
                Competitor("multiprocessing.Pool, chunksize=1", 50_000, lambda items: pool.map(nothing, items, 1)),
                Competitor("multiprocessing.Pool, default chunks", 1_000_000, lambda items: pool.map(nothing, items)),
                Competitor("ProcessPoolExecutor", 10_000, lambda items: processes.map(nothing, items)),
            ],
            "threads": [
                Competitor("centimane", 1_000_000, centimane_map(executor="thread")),
                Competitor("ThreadPoolExecutor", 50_000, lambda items: threads.map(nothing, items)),
            ],
        }
        everybody = [competitor for section in sections.values() for competitor in section]
        for competitor in everybody:
            competitor.round(min(scale, 0.01))
            competitor.rates.clear()
        for _ in range(rounds):
            for competitor in everybody:
                competitor.round(scale)
    return sections


def processor() -> str:
    """The processor's name, as Linux tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def report(sections: dict[str, list[Competitor]], rounds: int) -> str:
    """A page of Markdown."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`: a map of a function that does nothing over ints, one task an item, 2 workers; competitors alternate in",
        f"one run of {rounds} rounds; medians. Only the ratios mean anything: they compare within the run.",
        "",
        f"Machine: {processor()}, {centimane.cpu_count()} CPUs, Linux {platform.release()}.",
        f"CPython {platform.python_version()}, centimane {centimane.__version__}.",
    ]
    for name, section in sections.items():
        ours = section[0].rate
        lines += [
            "",
            f"## {name.capitalize()}",
            "",
            "| | items a round | items a second | lowest, highest | centimane is |",
            "|---|--:|--:|--:|--:|",
        ]
        for c in section:
            ratio = "" if c is section[0] else f"{ours / c.rate:.3g} ×"
            lines.append(
                f"| {c.name} | {c.items:,} | {c.rate:,.0f} | {min(c.rates):,.0f}, {max(c.rates):,.0f} | {ratio} |"
            )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measures and tells."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="two rounds of a hundredth: shows that it runs, measures nothing"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", metavar="FILE", type=Path)
    args = parser.parse_args()
    rounds = 2 if args.quick else args.rounds
    text = report(measure(rounds, 0.01 if args.quick else 1.0), rounds)
    print(text)
    if args.write:
        args.write.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
