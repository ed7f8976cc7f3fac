"""How deep this process is among workers of workers, and what share of the machine is its own. Filled in by a worker's set-up."""

from __future__ import annotations

from . import _core

DEEPEST = 5

depth = 0
"""0 in the process that the user started."""
siblings = 1
"""Among how many workers the processors are shared."""


def default_workers() -> int:
    """Processes for a run that names no number: the processors, shared with the sibling workers if this is one."""
    return max(1, _core.cpu_count() // siblings)


def enter(workers: int) -> tuple[int, int]:
    """``(depth, siblings)`` for the workers of a new pool.

    Raises:
        NestingError: this process is too deep for a pool of its own.
    """
    if depth >= DEEPEST:
        from ._errors import NestingError

        raise NestingError(
            f"a pool inside {depth} pools: a worker's function calls itself in parallel, or a module that workers import "
            "starts work when it is imported"
        )
    return depth + 1, siblings * workers
