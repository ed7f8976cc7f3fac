"""What the processes of test_process.py run: a module that they import."""

from __future__ import annotations

import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from centimane.multiprocessing import Process


def send(connection: Connection, *what: Any) -> None:
    connection.send(what)


def describe(connection: Connection) -> None:
    from multiprocessing import current_process, parent_process

    me, parent = current_process(), parent_process()
    assert parent is not None
    connection.send(
        {
            "name": me.name,
            "daemon": me.daemon,
            "pid": os.getpid(),
            "ident": me.ident,
            "parent": (parent.pid, parent.name, parent.is_alive()),
            "authkey": bytes(me.authkey),
            "group": os.getpgrp(),
            "cwd": os.getcwd(),
            "argv": sys.argv,
            "mark": os.environ.get("CENTIMANE_PROCESS_TEST"),
            "stdin": sys.stdin.read(),
            "executable": sys.executable,
        }
    )


def descriptors(connection: Connection) -> None:
    found: list[str] = []
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2:
            try:
                found.append(os.readlink(f"/proc/self/fd/{number}").split(":")[0])
            except OSError:  # the one that lists
                pass
    connection.send(sorted(found))


def sleep_for_ever() -> None:
    while True:
        time.sleep(60)


def say_and_sleep(connection: Connection) -> None:
    connection.send(os.getpid())
    sleep_for_ever()


def ignore_terminate(connection: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say_and_sleep(connection)


def leave(code: Any) -> None:
    sys.exit(code)


def fail() -> None:
    raise ArithmeticError("not today")


def nothing() -> None:
    pass


def nest(connection: Connection, depth: int) -> None:
    """As many processes inside each other; what stops them is sent."""
    if depth:
        inner = Process(target=nest, args=(connection, depth - 1))
        try:
            inner.start()
        except Exception as error:
            connection.send(type(error).__name__)
            raise SystemExit(7) from None
        inner.join()
        sys.exit(inner.exitcode)
    connection.send("bottom")


def own_child(connection: Connection) -> None:
    inner = Process(target=say_and_sleep, args=(connection,))
    inner.start()
    inner.join()


def own_pool(connection: Connection) -> None:
    from centimane.multiprocessing import Pool

    with Pool(2) as pool:
        connection.send(pool.map(abs, [-1, -2, -3]))
