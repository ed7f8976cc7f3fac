"""The process that forks workers: a fresh interpreter with one thread, which runs no user code. It imports next to nothing before its
first worker, and what every worker would import once there is time.
"""

from __future__ import annotations

import gc
import os
import sys

from . import _core
from . import _worker as _worker  # what every worker needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal


def _import(names: tuple[str, ...], path: list[str] | None = None) -> None:
    """What can be imported, with the driver's paths; who needs what cannot will say so."""
    own = sys.path[:]
    if path is not None:
        sys.path[:] = path
    for name in names:
        try:
            if name == "cloudpickle":
                from . import _cloud as _cloud  # pyright: ignore[reportPrivateUsage]
            else:
                __import__(name)
        except Exception:
            pass
    sys.path[:] = own


def _keep_what_is_here() -> None:
    """What is here now never becomes garbage: the collector in a worker must not touch (and so copy) its pages."""
    gc.collect()
    gc.freeze()


def main(socket: int, driver: int, cloud: list[str] | None, later: tuple[str, ...]) -> None:
    """Serves until the driver is gone. Does not return.

    Args:
        socket: the descriptor of the socket to the driver.
        driver: its process id.
        cloud: None, or the driver's ``sys.path``: what its workers will read needs cloudpickle, and loading it once does for all.
        later: modules of the standard library that the driver has, as its workers will: loaded here when there is time.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the driver's affair
    if cloud is not None:
        _import(("cloudpickle",), cloud)  # the one that the driver has
    _keep_what_is_here()

    def warm_up() -> None:
        _import(later)
        _keep_what_is_here()

    _core.serve_zygote(socket, driver, warm_up)
    os._exit(0)


def serve_processes(socket: int, driver: int, path: list[str], first: tuple[str, ...], later: tuple[str, ...]) -> None:
    """The same for processes of one function, which need more, and all need it.

    Args:
        socket: the descriptor of the socket to the driver.
        driver: its process id.
        path: its ``sys.path``.
        first: modules that are there before the first of them is forked.
        later: modules that the driver has; loaded when there is time.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import(first, path)
    _keep_what_is_here()

    def warm_up() -> None:
        _import(later)
        _keep_what_is_here()

    _core.serve_zygote(socket, driver, warm_up)
    os._exit(0)
