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


def _load_cloudpickle(path: list[str]) -> None:
    """The one that the driver has, with which workers will read what it wrote."""
    own = sys.path[:]
    sys.path[:] = path
    try:
        from . import _cloud as _cloud  # pyright: ignore[reportPrivateUsage]
    except Exception:  # a worker that needs it will say so
        pass
    finally:
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
        _load_cloudpickle(cloud)
    _keep_what_is_here()

    def warm_up() -> None:
        for name in later:
            try:
                __import__(name)
            except Exception:  # a worker that needs it will say so
                pass
        _keep_what_is_here()

    _core.serve_zygote(socket, driver, warm_up)
    os._exit(0)
