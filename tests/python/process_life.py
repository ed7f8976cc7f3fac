"""What the tests of processes share."""

from __future__ import annotations

import contextlib
import multiprocessing
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from centimane.multiprocessing import Process

PATIENCE = 60.0
Script = Callable[..., "subprocess.CompletedProcess[str]"]


def answer(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a process sends by the connection that is its first argument."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours, theirs:
        process = Process(target=target, args=(theirs, *args), kwargs=kwargs)
        process.start()
        theirs.close()
        try:
            return ours.recv()
        finally:
            process.join()
            process.close()


@contextlib.contextmanager
def running(target: Callable[..., Any], **how: Any) -> Iterator[tuple[Process, int]]:
    """A process that has said its pid, and is killed at the end."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with ours, theirs:
        process = Process(target=target, args=(theirs,), **how)
        process.start()
        theirs.close()
        said = ours.recv()
        try:
            yield process, said
        finally:
            process.kill()
            process.join()
            process.close()


def ended(target: Callable[..., Any], *args: Any) -> int | None:
    """The exit code of a process."""
    process = Process(target=target, args=args)
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    return code
