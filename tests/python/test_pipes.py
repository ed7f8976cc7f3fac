"""Pipes whose ends are sent at any time: at the start of a process, to workers, through queues."""

from __future__ import annotations

import gc
import multiprocessing as standard
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from centimane import multiprocessing as ours
from centimane.multiprocessing import Pipe, Pool, Queue
from centimane.multiprocessing.connection import Connection

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def nothing_of_others_left() -> Iterator[None]:
    """The thread that hands descriptors over, and the tracker of spawned processes, are the standard library's."""
    yield
    gc.collect()
    sharer = sys.modules.get("multiprocessing.resource_sharer")
    if sharer is not None:
        sharer.stop()
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    if tracker is not None:
        tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def answer(end: Any) -> str:
    text: str = end.recv()
    end.send(text.upper())
    end.close()
    return text


def answer_out_of(queue: Any) -> None:
    answer(queue.get())


def test_both_ends_send_and_receive() -> None:
    first, second = Pipe()
    assert type(first) is Connection
    assert isinstance(second, standard.connection.Connection)
    first.send([1, 2])
    assert second.recv() == [1, 2]
    second.send_bytes(b"bytes")
    assert first.poll(60)
    assert first.recv_bytes() == b"bytes"
    first.close()
    with pytest.raises(EOFError):
        second.recv()
    second.close()


def test_one_way() -> None:
    first, second = Pipe(duplex=False)
    second.send("x")
    assert first.recv() == "x"
    with pytest.raises(OSError, match="read-only"):
        first.send("x")
    for end in first, second:
        end.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_at_the_start_of_a_process(method: str) -> None:
    here, there = Pipe()
    process = standard.get_context(method).Process(target=answer, args=(there,))
    process.start()
    there.close()
    here.send("text")
    assert here.recv() == "TEXT"
    with pytest.raises(EOFError):  # nobody holds the other end any more
        here.recv()
    process.join()
    here.close()


def test_to_a_worker_of_a_pool() -> None:
    here, there = Pipe()
    with Pool(1) as pool:
        result = pool.apply_async(answer, (there,))
        here.send("text")
        assert here.recv() == "TEXT"
        assert result.get() == "text"
        pool.close()
        pool.join()
    for end in here, there:
        end.close()


def test_through_a_queue() -> None:
    here, there = Pipe()
    queue = Queue()
    process = standard.get_context("fork").Process(target=answer_out_of, args=(queue,))
    process.start()
    queue.put(there)
    here.send("text")
    assert here.recv() == "TEXT"
    process.join()
    for end in here, there:
        end.close()


def test_contexts_make_ours() -> None:
    for end in ours.get_context("spawn").Pipe():
        assert type(end) is Connection
        end.close()
    assert ours.connection.Pipe is Pipe
