"""contain_processes as the initializer of every kind of pool: what tasks detach ends with its worker."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable

import pytest

import centimane
from centimane.futures import ProcessPoolExecutor
from centimane.multiprocessing import Pool


def start_daemon(_: object = None) -> int:
    """Its pid. It has a session of its own, and its parent has gone."""
    told = subprocess.run(
        ["sh", "-c", "sleep 3600 >/dev/null 2>&1 & echo $!"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(told.stdout)


def by_executor(then: Callable[[int], None]) -> None:
    with ProcessPoolExecutor(1, initializer=centimane.contain_processes) as executor:
        then(executor.submit(start_daemon).result())


def by_forked_pool(then: Callable[[int], None]) -> None:
    context = centimane.multiprocessing.get_context("fork")
    with context.Pool(1, centimane.contain_processes) as pool:
        then(pool.apply(start_daemon))
    pool.join()


def by_pool(then: Callable[[int], None]) -> None:
    with Pool(1, centimane.contain_processes) as pool:
        then(pool.apply(start_daemon))
    pool.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("way", [by_executor, by_pool, by_forked_pool], ids=lambda way: way.__name__)
def test_a_daemon_ends_with_its_worker(way: Callable[[Callable[[int], None]], None]) -> None:
    opened: list[int] = []
    way(lambda pid: opened.append(os.pidfd_open(pid)))
    (daemon,) = opened
    try:
        assert select.select([daemon], [], [], 300)[0]
    finally:
        os.close(daemon)


def test_only_workers_can_ask() -> None:
    with pytest.raises(RuntimeError, match="worker"):
        centimane.contain_processes()
