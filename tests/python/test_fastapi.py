"""examples/fastapi under a real uvicorn: the loop stays free while workers compute, clients that go take their tasks with them, killed
workers cost one request each, and its end leaves nothing. Times are printed and not judged.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from leaks import MARK, marked_processes

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("multipart")
httpx = pytest.importorskip("httpx")
Image = pytest.importorskip("PIL.Image")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/fastapi"
sys.path.insert(0, str(EXAMPLE))
from load import Load, ask, clients  # noqa: E402

WORKERS = 2
FOR_EVER = "/primes?below=2000000000"
"""A request that nobody lives to see answered."""


class Service:
    """The example, served by uvicorn in a process of its own."""

    def __init__(self, log: Path, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--app-dir",
            str(EXAMPLE),
            "app:app",
            "--port",
            "0",
            "--no-access-log",
        ]
        self._log = log
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                [*command, *options], env={**os.environ, "WORKERS": str(WORKERS)}, stdout=stream, stderr=stream
            )
        while not (found := re.search(r"running on (http://\S+)", self._log.read_text())):
            assert self.process.poll() is None, self._log.read_text()
            time.sleep(0.01)
        self.url = found[1]

    def client(self) -> Any:
        return httpx.AsyncClient(base_url=self.url, timeout=None)

    def workers(self) -> list[int]:
        """Its worker processes: children of its child that forks them."""
        parents = {pid: _parent(pid) for pid in marked_processes(os.environ[MARK])}
        return sorted(pid for pid, parent in parents.items() if parents.get(parent) == self.process.pid)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Ends it in order; after a failure says what it has said, and ends it at once."""
        if kind is not None:
            print(self._log.read_text())
            self.process.kill()
            self.process.wait()
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait() in (0, -signal.SIGTERM), self._log.read_text()


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    return int((_read(pid, "stat").rpartition(b")")[2].split() or [b"", b"0"])[1])


def ticks(pid: int) -> int:
    """Processor time of a process. A worker that computes has ever more of it."""
    return int((_read(pid, "stat").rpartition(b")")[2].split() or [b"0"] * 12)[11])


async def until(there: Callable[[], bool]) -> None:
    while not there():
        await asyncio.sleep(0.002)


async def occupied(service: Service) -> list[int]:
    """Returns when every worker computes."""
    first: dict[int, int] = {}

    def all_compute() -> bool:
        workers = service.workers()
        for pid in workers:
            first.setdefault(pid, ticks(pid))
        return len(workers) == WORKERS and all(ticks(pid) > first[pid] + 5 for pid in workers)

    await until(all_compute)
    return service.workers()


def kill_one(pids: list[int]) -> None:
    """SIGKILL for one of them that is still there."""
    for pid in pids:
        try:
            return os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has just been replaced
            continue
    return None


class Caller:
    """A bare client of one endless request, which it may leave."""

    @classmethod
    async def call(cls, service: Service) -> Caller:
        self = cls()
        address = service.url.removeprefix("http://").split(":")
        self._reader, self._writer = await asyncio.open_connection(address[0], int(address[1]))
        self._writer.write(f"GET {FOR_EVER} HTTP/1.1\r\nHost: {address[0]}\r\n\r\n".encode())
        self.answer = asyncio.ensure_future(self._line())
        return self

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""

    async def leave(self) -> None:
        """Closes the connection."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:  # the other side was quicker
            pass
        await self.answer


@pytest.fixture
def service(nothing_left_behind: str, tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "log") as made:
        yield made


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


def test_it_answers(service: Service) -> None:
    async def scene() -> None:
        async with service.client() as client:
            assert (await client.get("/ping")).json() == {"up": True}
            primes = (await client.get("/primes?below=100")).json()
            assert primes["primes"] == 25
            assert primes["worker"] in service.workers()
            batch = (await client.post("/roots", json=[9, 10, 16, -1])).json()
            assert batch == [{"root": 3}, {"error": "10 is no square"}, {"root": 4}, {"error": "-1 is no square"}]
            picture = BytesIO()
            Image.radial_gradient("L").resize((640, 480)).convert("RGB").save(picture, "JPEG")
            answers = await asyncio.gather(
                *(client.post("/thumbnail?edge=64", files={"picture": picture.getvalue()}) for _ in range(8))
            )
            for answer in answers:
                assert answer.headers["content-type"] == "image/jpeg"
                assert Image.open(BytesIO(answer.content)).size == (64, 48)
            assert (await client.post("/thumbnail", files={"picture": b"no picture"})).status_code == 415

    play(scene())


def test_the_loop_is_free_while_every_worker_computes(service: Service) -> None:
    alone, beside = Load(), Load()

    async def scene() -> None:
        async with service.client() as client:
            await clients(client, "/ping", alone, at_once=1, requests=100)
            endless = [await Caller.call(service) for _ in range(3 * WORKERS)]
            workers = await occupied(service)
            before = [ticks(pid) for pid in workers]
            await clients(client, "/ping", beside, at_once=1, requests=100)
            await until(lambda: all(ticks(pid) > was for pid, was in zip(workers, before, strict=True)))
            assert not any(caller.answer.done() for caller in endless)
            # Clients that go take their tasks along, those that run too; or this would wait for the endless ones.
            for caller in endless:
                await caller.leave()
            assert (await client.get("/primes?below=100")).json()["primes"] == 25

    play(scene())
    assert alone.statuses == beside.statuses == {200: 100}
    print(f"\npings alone:  {alone}\npings beside: {beside}")


def test_killed_workers_cost_one_request_each(service: Service) -> None:
    work, beside = Load(), Load()
    kills = 6

    async def scene() -> None:
        over = asyncio.Event()
        async with service.client() as client:

            async def ask_on() -> None:
                while not over.is_set():
                    await ask(client, "/primes?below=3000", work)

            callers = [asyncio.ensure_future(ask_on()) for _ in range(8)]
            for _ in range(kills):
                answers = work.statuses.total()
                await until(
                    lambda seen=answers: work.statuses.total() > seen + 10 or any(one.done() for one in callers)
                )
                await until(lambda: bool(service.workers()))
                kill_one(service.workers())
                await ask(client, "/ping", beside)
            over.set()
            await asyncio.gather(*callers)
            assert (await client.get("/primes?below=100")).status_code == 200

    play(scene())
    assert set(work.statuses) <= {200, 503}
    assert work.statuses[503] <= kills
    assert beside.statuses == {200: kills}
    print(f"\nwork: {work}\npings: {beside}")


def test_a_timeout_of_the_service_ends_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGEST", "0.2")

    async def scene() -> None:
        async with service.client() as client:
            assert (await client.get(FOR_EVER)).status_code == 504
            assert (await client.get("/ping")).status_code == 200

    with Service(tmp_path / "log") as service:
        play(scene())


def test_it_ends_with_requests_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGEST", "30")

    async def scene() -> None:
        callers = [await Caller.call(service) for _ in range(3 * WORKERS)]
        await occupied(service)
        service.process.send_signal(signal.SIGTERM)
        # uvicorn gives them a second, then it cancels them.
        lines = [await caller.answer for caller in callers]
        assert all(line == b"" or re.match(rb"HTTP/1.1 [45]", line) for line in lines), lines
        for caller in callers:
            await caller.leave()

    with Service(tmp_path / "log", "--timeout-graceful-shutdown", "1") as service:
        play(scene())
