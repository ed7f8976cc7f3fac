"""How late an event loop is for its timers while 32 coroutines keep an executor of two workers saturated with computations of some ten
milliseconds, through `loop.run_in_executor`. What a service's trivial requests feel.
"""

import asyncio
from concurrent.futures import Executor

from harness.records import Case
from harness.tasks import crunch

CASES = [Case("p50", "ms", "lower"), Case("p99", "ms", "lower")]
RUNS = {"late": ["p50", "p99"]}
IN_FLIGHT = 32
STEPS = 200_000
PERIOD = 0.002


async def lateness(executor: Executor | None, ticks: int) -> list[float]:
    """How much too late each of so many timers rang, in milliseconds. Without an executor nothing runs beside."""
    loop = asyncio.get_running_loop()
    over = False

    async def keep_busy() -> None:
        while not over:
            await loop.run_in_executor(executor, crunch, STEPS)

    tasks = [asyncio.ensure_future(keep_busy()) for _ in range(IN_FLIGHT)] if executor else []
    late: list[float] = []
    try:
        for _ in range(ticks):
            due = loop.time() + PERIOD
            await asyncio.sleep(PERIOD)
            late.append((loop.time() - due) * 1e3)
    finally:
        over = True
        await asyncio.gather(*tasks)
    return late


def measure(subject: Executor | None, run: str, quick: bool) -> dict[str, float]:
    """Both percentiles of one run."""
    late = sorted(asyncio.run(lateness(subject, 20 if quick else 400)))
    return {"p50": late[len(late) // 2], "p99": late[int(len(late) * 0.99)]}
