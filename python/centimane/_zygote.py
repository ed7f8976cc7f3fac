"""The process that forks workers: a fresh interpreter with one thread, which runs no user code and imports next to nothing."""

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


def main(socket: int, driver: int, cloud: list[str] | None) -> None:
    """Serves until the driver is gone. Does not return.

    Args:
        socket: the descriptor of the socket to the driver.
        driver: its process id.
        cloud: None, or the driver's ``sys.path``: what its workers will read needs cloudpickle, and loading it once does for all.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the driver's affair
    if cloud is not None:
        _load_cloudpickle(cloud)
    # What is here now never becomes garbage: the collector in a worker must not touch (and so copy) its pages.
    gc.collect()
    gc.freeze()
    _core.serve_zygote(socket, driver)
    os._exit(0)
