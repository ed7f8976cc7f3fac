"""How many processors this process may use."""

from __future__ import annotations

from . import _core


def cpu_count() -> int:
    """The number of processors that this process may use, at least 1.

    The least of the affinity mask and the control group's quota (v1 and v2, rounded up); a whole number in the environment
    variable ``CENTIMANE_CPU_COUNT`` replaces both. Any thread. Cost: a system call; the quota is read once a second at most.
    """
    return _core.cpu_count()
