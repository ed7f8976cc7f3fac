"""A web service that computes: what takes a processor runs on worker processes, and the event loop stays free.

    pip install 'centimane[web]'
    uvicorn --app-dir examples/fastapi app:app

docs/fastapi.md explains it; load.py beside it is a load for it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

import work
from fastapi import FastAPI, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from PIL import UnidentifiedImageError

from centimane import TaskTimeout, WorkerDied
from centimane.futures import ProcessPoolExecutor

T = TypeVar("T")

WORKERS = int(os.environ.get("WORKERS", "0")) or None
LONGEST = float(os.environ.get("LONGEST", "60"))
"""Seconds that one task may run."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Workers are there while the service is."""
    executor = ProcessPoolExecutor(WORKERS)
    # Whoever stops waiting stops the task, also one that runs; one that takes too long ends as TaskTimeout.
    app.state.workers = executor.with_options(stop_running=True, timeout=LONGEST)
    try:
        yield
    finally:
        # In a thread: the loop goes on while what still runs comes to its end.
        await asyncio.to_thread(executor.shutdown, cancel_futures=True)


app = FastAPI(lifespan=lifespan)


@app.exception_handler(WorkerDied)
async def worker_died(_request: Request, error: WorkerDied) -> JSONResponse:
    """A worker was killed: this request has failed, and no other."""
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})


@app.exception_handler(TaskTimeout)
async def too_long(_request: Request, error: TaskTimeout) -> JSONResponse:
    """The task was stopped after ``LONGEST`` seconds."""
    return JSONResponse({"detail": str(error)}, 504)


async def while_connected(request: Request, awaitable: Awaitable[T]) -> T:
    """The outcome, if the client waits for it; if it goes, the work is cancelled, and with it the task in the worker."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(awaitable), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise HTTPException(499, "the client has closed the connection")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


@app.get("/ping")
async def ping() -> dict[str, bool]:
    """Needs no worker."""
    return {"up": True}


@app.get("/primes")
async def primes(request: Request, below: int = Query(ge=0)) -> dict[str, int]:
    """Computes for as long as the client waits."""
    return await while_connected(request, request.app.state.workers.submit(work.count_primes, below))


@app.post("/roots")
async def roots(request: Request, numbers: list[int]) -> list[dict[str, int | str]]:
    """A batch: each number has its root or its error."""
    workers = request.app.state.workers
    outcomes = await asyncio.gather(*(workers.submit(work.root, number) for number in numbers), return_exceptions=True)
    return [{"error": str(one)} if isinstance(one, BaseException) else {"root": one} for one in outcomes]


@app.post("/thumbnail")
async def thumbnail(request: Request, picture: UploadFile, edge: int = Query(128, ge=1, le=4096)) -> Response:
    """A picture, made small by a worker."""
    try:
        small = await request.app.state.workers.submit(work.thumbnail, await picture.read(), edge)
    except UnidentifiedImageError:
        raise HTTPException(415, "this is no picture") from None
    return Response(small, media_type="image/jpeg")
