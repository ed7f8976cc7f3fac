"""The task core of process executors and pools, given what the package makes of a task: how it is shipped, what its faults become."""

from __future__ import annotations

from importlib import import_module

from . import _core, _pickling, _shipping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def process_tasks(pool: _core.Pool, faults: str, *, forked: bool, break_on_death: bool = False) -> _core.ProcessTasks:
    """Tasks for a pool of their own.

    Args:
        pool: the pool.
        faults: the name of the module that makes exceptions of faults; it is loaded when the first is met.
        forked: the workers are copies of this process, and have its ``__main__``.
        break_on_death: a dead worker fails all that is open.
    """

    def fault(name: str) -> Callable[..., Any]:
        return lambda *account: getattr(import_module(faults), name)(*account)

    return _core.ProcessTasks(
        pool=pool,
        break_on_death=break_on_death,
        trouble=fault("from_trouble"),
        rebuild=fault("rebuild"),
        broken=fault("broken"),
        unsendable=fault("unsendable"),
        ship=_shipping.ship,
        rescue=_pickling.rescue,
        main_names=None if forked else _pickling.MainNames(),
    )
