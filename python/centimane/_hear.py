"""In the driver: what workers print and log comes out here, on the thread that carries the run, or on one of the executor's own.

Text is written to this process's ``sys.stdout`` and ``sys.stderr`` as it was printed, whole lines at a time, without a tag. A record goes to the
handlers of the logger of its name, with ``worker`` (its index), ``item`` (of an executor: the number of the task) and ``processName``.
"""

from __future__ import annotations

import pickle
import sys

DROPPED, OUT, ERR, RECORD = 0, ord("o"), ord("e"), ord("r")


def deliver(kind: int, what: bytes, item: int, worker: int) -> None:
    """One word of a worker. What it raises ends the run."""
    if kind == RECORD:
        _log(what, item, worker)
    elif kind == DROPPED:
        count = int.from_bytes(what, sys.byteorder)
        _write(sys.stderr, f"centimane: {count} lines or records of workers were dropped: more than could be kept\n")
    else:
        _write(sys.stdout if kind == OUT else sys.stderr, what.decode("utf-8", "surrogatepass"))


def deliver_or_report(kind: int, what: bytes, item: int, worker: int) -> None:
    """The same where there is no run to end: what it raises is reported as what a thread raises is."""
    try:
        deliver(kind, what, item, worker)
    except BaseException as error:
        import threading

        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )


def _write(stream: object, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(text)  # type: ignore[attr-defined]
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))  # type: ignore[attr-defined]
    except (OSError, ValueError):  # closed, full, or its reader is gone: no reason to lose a run
        pass


def _log(what: bytes, item: int, worker: int) -> None:
    import logging

    record = logging.makeLogRecord(pickle.loads(what))
    record.worker = worker
    record.item = item
    record.processName = f"centimane-worker-{worker}"
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)
