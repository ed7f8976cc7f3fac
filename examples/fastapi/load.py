"""A load for the service: clients that ask for work and clients that only ping, side by side; says how long answers took.

python examples/fastapi/load.py [http://127.0.0.1:8000]
"""

import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx


@dataclass
class Load:
    """What became of one kind of request."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    workers: set[int] = field(default_factory=set)
    """Process ids of workers that have answered."""

    def percentile(self, share: float) -> float:
        """The time that this share of answers took at most, in milliseconds."""
        return 1e3 * sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]

    def __str__(self) -> str:
        middle, last = self.percentile(0.5), self.percentile(0.99)
        return f"{sum(self.statuses.values())} answers {dict(self.statuses)}, p50 {middle:.1f} ms, p99 {last:.1f} ms"


async def ask(client: httpx.AsyncClient, path: str, load: Load) -> None:
    """One request and its answer."""
    begin = time.perf_counter()
    answer = await client.get(path)
    load.seconds.append(time.perf_counter() - begin)
    load.statuses[answer.status_code] += 1
    if "worker" in (told := answer.json()):
        load.workers.add(told["worker"])


async def clients(client: httpx.AsyncClient, path: str, load: Load, *, at_once: int, requests: int) -> None:
    """So many clients make so many requests in all, each its next when it has its answer."""
    numbers = iter(range(requests))

    async def one() -> None:
        for _ in numbers:
            await ask(client, path, load)

    await asyncio.gather(*(one() for _ in range(at_once)))


async def main(url: str) -> None:
    """Pings alone, then beside more work than there are workers."""
    work, alone, beside = Load(), Load(), Load()
    async with httpx.AsyncClient(base_url=url, timeout=None) as client:
        await clients(client, "/ping", alone, at_once=4, requests=1000)
        saturated = asyncio.ensure_future(clients(client, "/primes?below=20000", work, at_once=32, requests=400))
        while not saturated.done():
            await ask(client, "/ping", beside)
        await saturated
    print(f"pings alone:  {alone}\npings beside: {beside}\nwork:         {work} by {len(work.workers)} workers")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
