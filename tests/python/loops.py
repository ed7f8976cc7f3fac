"""What tests of runs on an event loop share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest


async def others() -> set[asyncio.Task[Any]]:
    """Tasks of this loop beside the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """In a loop of its own; nothing may be left on it."""

    async def around() -> Any:
        result = await main()
        assert not await others()
        return result

    return asyncio.run(around())


async def exhaust(stream: AsyncIterable[Any]) -> None:
    """To its end, or to what it raises."""
    async for _ in stream:
        pass


def cancel_one(begin: Callable[[], Awaitable[Any]], path: str) -> int:
    """Cancels a run of ``tasks.tell_and_wait`` once it has begun; answers its worker."""

    async def main() -> int:
        task = asyncio.ensure_future(begin())
        pid = int(await asyncio.to_thread(Path(path + ".out").read_text))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return pid

    pid: int = run(main)
    return pid
