"""Shows that the simulations would notice: breaks each rule of a machine in turn and demands a failing history.

    mutate.py run|fleet [--only NAME] [--histories N] [--jobs N]

The lists are in mutants_run.py and mutants_fleet.py. Nothing in the tree is touched: the policy sources are copied to a
temporary directory. It is an error if the unbroken machine fails, if a mutant survives, and if the text that a mutant
replaces is not there exactly once.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mutant import Machine, Mutant

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POLICY = ROOT / "src" / "policy"
COMPILER = os.environ.get("CXX", "g++").split()
FLAGS = ["-std=c++20", "-O1"]
# Compiled once, before all: to read these is most of what compiling a mutant takes.
STANDARD = (
    "algorithm array bit cstdint cstdio cstdlib deque functional map memory optional queue set unordered_map vector"
)
# A machine that never answers is noticed by this alone; no healthy program comes near it.
HANGS_AFTER = 600.0


class Failure(Exception):
    """The check itself cannot be carried out, or the unbroken machine fails."""


def run_compiler(what: str, *arguments: str) -> None:
    done = subprocess.run([*COMPILER, *FLAGS, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{what} does not compile or link:\n{done.stderr}")


def compile_standard(scratch: Path) -> Path:
    """The header that every source is compiled with."""
    header = scratch / "standard.hpp"
    header.write_text("".join(f"#include <{name}>\n" for name in STANDARD.split()))
    run_compiler(header.name, "-x", "c++-header", str(header), "-o", f"{header}.gch")
    return header


@dataclass(frozen=True)
class Tree:
    """A copy of the policy sources, and where its objects go."""

    root: Path
    standard: Path  # the header that is compiled beforehand

    @property
    def policy(self) -> Path:
        return self.root / "policy"

    def copy_sources(self) -> None:
        shutil.copytree(POLICY, self.policy)

    def compile(self, source: Path) -> Path:
        """Compiles one file against this tree's policy headers."""
        target = self.root / f"{source.stem}.o"
        includes = [f"-I{self.root}", f"-I{ROOT / 'include'}", f"-I{HERE}", "-include", str(self.standard)]
        run_compiler(source.name, *includes, "-c", str(source), "-o", str(target))
        return target

    def link(self, name: str, objects: list[Path]) -> Path:
        program = self.root / name
        run_compiler(name, *map(str, objects), "-o", str(program), "-pthread")
        return program


Objects = dict[str, Path]  # by name of the source


def policy_objects(tree: Tree, machine: Machine) -> Objects:
    return {name: tree.compile(tree.policy / name) for name in machine.policy}


def simulation_objects(tree: Tree, machine: Machine) -> Objects:
    names = {source for simulation in machine.simulations for source in simulation.sources}
    return {name: tree.compile(HERE / name) for name in sorted(names)}


def verdict(program: Path, histories: int) -> str | None:
    """What the program complained of, or None if it was content."""
    try:
        done = subprocess.run(
            [str(program), str(histories), "1"],
            capture_output=True,
            text=True,
            check=False,
            timeout=HANGS_AFTER,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    if done.returncode == 0:
        return None
    said = (done.stdout + done.stderr).strip().splitlines()
    return said[-1] if said else f"exit status {done.returncode}"


def judge(tree: Tree, machine: Machine, objects: Objects, histories: int | None) -> str | None:
    """The first complaint of the machine's simulations."""
    for simulation in machine.simulations:
        parts = [objects[name] for name in (*machine.policy, *simulation.sources)]
        program = tree.link(simulation.name, parts)
        complaint = verdict(program, histories or simulation.histories)
        if complaint is not None:
            return f"{simulation.name}: {complaint}"
    return None


def break_rule(tree: Tree, mutant: Mutant) -> None:
    path = tree.policy / mutant.file
    text = path.read_text()
    found = text.count(mutant.text)
    if found != 1:
        raise Failure(f"the text to replace occurs {found} times in {mutant.file}")
    path.write_text(text.replace(mutant.text, mutant.replacement))


def try_mutant(mutant: Mutant, machine: Machine, healthy: Objects, scratch: Path, histories: int | None) -> str | None:
    """The complaint that the mutant caused, or None if it survived."""
    tree = Tree(scratch / mutant.name, scratch / "standard.hpp")
    tree.copy_sources()
    break_rule(tree, mutant)
    if mutant.file.endswith(".cpp"):
        # The rest is as it was: its objects serve.
        objects = healthy | {mutant.file: tree.compile(tree.policy / mutant.file)}
    else:
        objects = policy_objects(tree, machine) | simulation_objects(tree, machine)
    complaint = judge(tree, machine, objects, histories)
    shutil.rmtree(tree.root)
    return complaint


def check_healthy(machine: Machine, scratch: Path, histories: int | None) -> Objects:
    tree = Tree(scratch / "healthy", compile_standard(scratch))
    tree.copy_sources()
    objects = policy_objects(tree, machine) | simulation_objects(tree, machine)
    complaint = judge(tree, machine, objects, histories)
    if complaint is not None:
        raise Failure(f"the unbroken machine fails: {complaint}")
    return objects


def load(name: str) -> Machine:
    machine = importlib.import_module(f"mutants_{name}").MACHINE
    assert isinstance(machine, Machine)
    names = [mutant.name for mutant in machine.mutants]
    if len(set(names)) != len(names):
        raise Failure("two mutants have one name")
    return machine


def check(machine: Machine, mutants: list[Mutant], histories: int | None, jobs: int) -> int:
    """How many mutants survived or could not be tried."""
    bad = 0
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as place,
        concurrent.futures.ThreadPoolExecutor(jobs) as pool,
    ):
        scratch = Path(place)
        healthy = check_healthy(machine, scratch, histories)
        print("the unbroken machine passes", flush=True)
        trials = {pool.submit(try_mutant, mutant, machine, healthy, scratch, histories): mutant for mutant in mutants}
        for trial in concurrent.futures.as_completed(trials):
            mutant = trials[trial]
            try:
                complaint = trial.result()
            except Failure as error:
                bad += 1
                print(f"ERROR     {mutant.name}: {error}", flush=True)
                continue
            if complaint is None:
                bad += 1
                print(f"SURVIVED  {mutant.name}: {mutant.rule}", flush=True)
            else:
                print(f"caught    {mutant.name} by {complaint}", flush=True)
    print(f"{len(mutants) - bad} of {len(mutants)} mutants caught")
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description="Breaks each rule of a machine; its simulations must notice.")
    parser.add_argument("machine", choices=["run", "fleet"])
    parser.add_argument("--only", metavar="NAME", help="this mutant alone")
    parser.add_argument("--histories", type=int, metavar="N", help="instead of each simulation's own number")
    parser.add_argument("--jobs", type=int, default=2, metavar="N")
    options = parser.parse_args()
    try:
        machine = load(options.machine)
        mutants = [m for m in machine.mutants if options.only in (None, m.name)]
        if not mutants:
            raise Failure(f"no mutant is named {options.only}")
        return 1 if check(machine, mutants, options.histories, options.jobs) else 0
    except Failure as error:
        print(f"ERROR     {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
