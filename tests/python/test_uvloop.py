"""The asyncio forms on uvloop. In a program of its own: libuv keeps two descriptors for the life of the process."""

from __future__ import annotations

import pytest
from conftest import Script


def test_runs_on_uvloop(script: Script) -> None:
    pytest.importorskip("uvloop")
    done = script(
        """
        import asyncio
        import uvloop
        from centimane import Limiter, async_parallel_iter, async_parallel_map

        async def wait(n):
            await asyncio.sleep(0.001)
            return n * n

        async def forever(n):
            await asyncio.sleep(3600)

        def square(n):
            return n * n

        async def main():
            print(type(asyncio.get_running_loop()).__module__)
            limiter = Limiter(10_000)
            for how in ({}, {"executor": "thread"}, {"executor": "process"}):
                result = await async_parallel_map(square if how else wait, range(5), rate_limit=limiter, **how)
                print(result.values())
            async for item in async_parallel_iter(wait, range(9), ordered=True):
                if item.index == 2:
                    break
            task = asyncio.create_task(async_parallel_map(forever, range(3)))
            await limiter.wait_async()
            task.cancel()
            print(type((await asyncio.gather(task, return_exceptions=True))[0]).__name__)

        if hasattr(uvloop, "run"):
            uvloop.run(main())
        else:
            uvloop.install()
            asyncio.run(main())
        """,
        arguments=("-X", "dev"),
    )
    assert done.stdout.splitlines() == ["uvloop", *["[0, 1, 4, 9, 16]"] * 3, "CancelledError"]
    assert "Traceback" not in done.stderr
    assert "never" not in done.stderr  # no coroutine that was never awaited, no task that was never retrieved
