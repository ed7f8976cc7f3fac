"""The words of the mutation check: what a mutant is, and which simulation must notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One rule of a machine, broken."""

    name: str
    rule: str  # what the unbroken machine promises
    file: str  # in src/policy
    text: str  # occurs exactly once in that file
    replacement: str


@dataclass(frozen=True)
class Simulation:
    """A program that is called as `program [histories] [first seed]` and fails when a promise is broken."""

    name: str
    sources: tuple[str, ...]  # in tests/simulation
    histories: int  # enough to notice every mutant with some to spare


@dataclass(frozen=True)
class Machine:
    """A machine, the simulations that judge it, and its mutants. A mutant must be noticed by one of the simulations."""

    policy: tuple[str, ...]  # the sources in src/policy that the simulations need
    simulations: tuple[Simulation, ...]
    mutants: tuple[Mutant, ...]
