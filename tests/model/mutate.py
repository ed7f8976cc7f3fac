#!/usr/bin/env python3
"""Shows that the model check of the channel would notice: weakens each memory order and breaks each rule in turn, and demands that
channel_model finds a history which breaks a promise.

    tests/model/mutate.py [--compiler g++] [--jobs N] [--only TEXT] [--orders | --rules] [--whole] [--long] [--most N]

Orders are weakened in the program as it is: it prints where each atomic access is, and is told which of them to take weaker. So every
order of the protocol is tried, also one that is written tomorrow; those that the model does not need are listed in mutants.py, and a
list that is no longer true is an error. Rules are broken in a copy of the sources.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "cpp" / "process"))

import mutate_channel  # noqa: E402
from mutants import MUTANTS, UNNEEDED, Mutant  # noqa: E402

INSTRUMENTED = ["src/process/channel", "src/process/channel_worker", "src/process/bell", "tests/model/channel_world"]
PLAIN = [f"tests/model/{n}" for n in ("memory", "mix", "machine", "instrumentation", "kernel", "channel_model")]
WRAPPED = ["memcpy", "pipe2", "fstat", "write", "read", "ppoll", "clock_gettime"]
FLAGS = ["-std=c++20", "-O1", "-g1", "-Isrc", "-Iinclude", "-Itests"]
# Which of the instrumented sources a header is part of.
INCLUDED_BY = {
    "src/process/bell.hpp": INSTRUMENTED,
    "src/process/channel_worker.hpp": ["src/process/channel_worker", "tests/model/channel_world"],
}
# What comes next when an order is weakened, by what kind of access has it.
WEAKER = {
    ("load", "seq_cst"): ["acquire", "relaxed"],
    ("load", "acquire"): ["relaxed"],
    ("store", "seq_cst"): ["release", "relaxed"],
    ("store", "release"): ["relaxed"],
    ("update", "seq_cst"): ["acq_rel", "release", "acquire"],
    ("exchange", "seq_cst"): ["acq_rel", "release", "acquire"],
    ("exchange fails", "acquire"): ["relaxed"],
}


class Order(NamedTuple):
    """One order of the sources: where (function and how manieth there), which access, which order."""

    where: str
    access: str
    order: str


def compile_one(tree: pathlib.Path, compiler: str, source: str) -> str:
    """Compiles a source of the tree; answers where the object is."""
    cache = ["ccache"] if shutil.which("ccache") else []
    flags = [*FLAGS, *(["-fsanitize=thread", "-fno-builtin-memcpy"] if source in INSTRUMENTED else [])]
    out = tree / (source.replace("/", "_") + ".o")
    subprocess.run([*cache, compiler, *flags, "-c", source + ".cpp", "-o", str(out)], cwd=tree, check=True)
    return str(out)


def link(tree: pathlib.Path, compiler: str, objects: dict[str, str]) -> pathlib.Path:
    """The program of these objects, by source."""
    out = tree / "channel_model"
    wraps = "-Wl," + ",".join(f"--wrap={w}" for w in WRAPPED)
    subprocess.run([compiler, wraps, *objects.values(), "-o", str(out)], cwd=tree, check=True)
    return out


def copy_sources(to: pathlib.Path) -> None:
    """The parts of the project that the program is made of."""
    for part in ("src", "include", "tests/model"):
        shutil.copytree(ROOT / part, to / part)


def verdict(program: pathlib.Path, *arguments: str) -> str:
    """The promise that is broken, or an empty string."""
    try:
        ran = subprocess.run(
            [str(program), "--quiet", *arguments], capture_output=True, text=True, timeout=3600, check=False
        )
    except subprocess.TimeoutExpired:
        return "does not end"
    if ran.returncode == 0:
        return ""
    said = (ran.stdout + ran.stderr).strip().splitlines()
    return said[-1] if said else f"exit status {ran.returncode}"


def orders_of(program: pathlib.Path) -> dict[Order, list[str]]:
    """Every order of the sources under test, with the addresses of its accesses (inlining makes several of one)."""
    ran = subprocess.run([str(program), "--sites", "--most=20000"], capture_output=True, text=True, check=True)
    sites = {tuple(line.split()[1:]) for line in ran.stdout.splitlines() if line.startswith("site ")}
    by_line: dict[tuple[str, int, str, str], set[str]] = {}
    for at, what, word, _, first, second in sorted(sites):
        frames = subprocess.run(
            ["addr2line", "-e", str(program), "-f", "-i", "-C", hex(int(at, 16) - 1)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for function, place in zip(frames[::2], frames[1::2], strict=True):
            if "/src/process/" not in place or "helper" in function:
                continue
            name = re.sub(r"\(.*", "", function).split("engine::")[-1]
            line = int(re.sub(r".*:(\d+).*", r"\1", place))
            word = re.sub(r"\[\d\]", "", word)
            for access, order in [(f"{what} {word}", first)] + (
                [(f"exchange fails {word}", second)] if what == "exchange" else []
            ):
                if order != "relaxed":
                    by_line.setdefault((name, line, access, order), set()).add(at)
            break
    found: dict[Order, list[str]] = {}
    count: dict[tuple[str, str, str], int] = {}
    for (name, _, access, order), at in sorted(by_line.items()):
        n = count[name, access, order] = count.get((name, access, order), 0) + 1
        found[Order(name if n == 1 else f"{name} #{n}", access, order)] = sorted(at)
    return found


def key_of(order: Order, weaker: str) -> tuple[str, str, str, str]:
    """How mutants.py names it."""
    return order.where, order.access, order.order, weaker


def try_orders(program: pathlib.Path, only: str, jobs: int, long: list[str], whole: bool) -> int:
    """Weakens each order, one step after another until it is noticed. How many are not as mutants.py says."""
    bad = 0
    tried: set[tuple[str, str, str, str]] = set()

    def attempt(job: tuple[Order, str, list[str]]) -> str:
        order, weaker, at = job
        # That an order is not needed takes all states to see, each time the same: a look at some is enough until the list is made anew.
        short = ["--most=50000"] if key_of(order, weaker) in UNNEEDED and not whole else []
        return verdict(program, f"--weaken={','.join(at)}:{order.order}:{weaker}", *long, *short)

    work = [
        (order, weaker, at)
        for order, at in orders_of(program).items()
        for weaker in WEAKER[order.access.rsplit(" ", 1)[0], order.order]
        if only in f"{order.where} {order.access}"
    ]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for (order, weaker, _), told in zip(work, pool.map(attempt, work), strict=True):
            key = key_of(order, weaker)
            tried.add(key)
            name = f"{order.where}: {order.access}, {order.order} -> {weaker}"
            if told:
                print(f"caught    {name}: {told}", flush=True)
            else:
                print(f"{'unneeded ' if key in UNNEEDED else 'SURVIVED '} {name}", flush=True)
            bad += bool(told) == (key in UNNEEDED)
    for key in UNNEEDED:
        if not only and key not in tried:
            print(f"ERROR     mutants.py lists {key}, which the sources do not have")
            bad += 1
    return bad


def all_rules() -> list[Mutant]:
    """Those of the stress tests, and our own."""
    theirs = [
        Mutant(m.name, m.file, ((m.old, m.new), *([mutate_channel.READ_FIRST] if m.name == "claim after read" else [])))
        for m in mutate_channel.MUTANTS
    ]
    return [*theirs, *MUTANTS]


def try_rule(mutant: Mutant, compiler: str, healthy: dict[str, str], long: list[str]) -> str:
    """What was noticed of a broken rule, or an empty string."""
    with tempfile.TemporaryDirectory() as where:
        tree = pathlib.Path(where)
        copy_sources(tree)
        path = tree / mutant.file
        text = path.read_text()
        for old, new in mutant.changes:
            if text.count(old) != 1:
                return f"ERROR: its text occurs {text.count(old)} times in {mutant.file}"
            text = text.replace(old, new)
        path.write_text(text)
        stem = mutant.file.removesuffix(".cpp")
        objects = healthy | {s: compile_one(tree, compiler, s) for s in INCLUDED_BY.get(mutant.file, [stem])}
        return verdict(link(tree, compiler, objects), *long)


def try_rules(compiler: str, healthy: dict[str, str], only: str, jobs: int, long: list[str]) -> int:
    """Breaks each rule. How many were not noticed."""
    bad = 0
    chosen = [m for m in all_rules() if only in m.name]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for mutant, told in zip(chosen, pool.map(lambda m: try_rule(m, compiler, healthy, long), chosen), strict=True):
            print(f"{'caught   ' if told else 'SURVIVED '} {mutant.name}: {told}", flush=True)
            bad += not told or told.startswith("ERROR")
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--orders", action="store_true", help="not the rules")
    parser.add_argument("--rules", action="store_true", help="not the orders")
    parser.add_argument("--long", action="store_true", help="larger plans")
    parser.add_argument(
        "--whole", action="store_true", help="all states also for the orders that mutants.py lists as unneeded"
    )
    parser.add_argument(
        "--most", type=int, help="cut each plan short after so many states: what survives is then no answer"
    )
    asked = parser.parse_args()
    long = ["--long"] * asked.long + ([f"--most={asked.most}"] if asked.most else [])
    bad = 0
    with tempfile.TemporaryDirectory() as where:
        tree = pathlib.Path(where)
        copy_sources(tree)
        healthy = {s: compile_one(tree, asked.compiler, s) for s in [*INSTRUMENTED, *PLAIN]}
        program = link(tree, asked.compiler, healthy)
        told = verdict(program, *long)
        if told:
            print(f"ERROR     the unbroken channel: {told}")
            return 1
        print("the unbroken channel keeps its promises", flush=True)
        if not asked.rules:
            bad += try_orders(program, asked.only, asked.jobs, long, asked.whole)
        if not asked.orders:
            bad += try_rules(asked.compiler, healthy, asked.only, asked.jobs, long)
    print(f"{'all mutants of the channel are as told' if bad == 0 else f'{bad} mutants are NOT as told'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
