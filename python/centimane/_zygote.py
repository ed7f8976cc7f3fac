"""The process that forks workers: a fresh interpreter with one thread, which runs no user code and imports next to nothing."""

from __future__ import annotations

import gc
import os
import signal
from importlib import import_module

from . import _core


def main(socket: int, driver: int) -> None:
    """Serves until the driver is gone. Does not return."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the driver's affair
    import_module("centimane._worker")  # what every worker needs
    # What is here now never becomes garbage: the collector in a worker must not touch (and so copy) its pages.
    gc.collect()
    gc.freeze()
    _core.serve_zygote(socket, driver)
    os._exit(0)
