"""A web service that tells cats from cars and bicycles. It reads requests, and does not trust them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import prod

from fastapi import FastAPI, HTTPException, Request, Response
from starlette.requests import ClientDisconnect

from labkit.serving.batcher import Batcher, Network, QueueFull, Stopped
from labkit.specs.network import PICTURE, SIDE

SIZE = prod(PICTURE)  # bytes of a picture: red, green and blue, each row by row
TIMEOUT_S = 5.0  # for the rest of a request
RETRY_S = 1  # when a client that was turned away may ask again
_CLOSE = {"Connection": "close"}  # what the client still sends is not read
_WANTED = f"Send a picture as {SIZE:,} bytes: 3 x {SIDE} x {SIDE} numbers from 0 to 255, as application/octet-stream."
_STOPPED = "The part that answers has stopped: start the service again."


def create(load: Callable[[], Network], timeout: float = TIMEOUT_S, **settings) -> FastAPI:
    """Return the web service.

    Args:
        load: opens the network when the service starts.
        timeout: seconds that a client may take to send a picture.
        settings: of the `Batcher`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Batcher(load(), **settings) as app.state.batcher:
            yield

    app = FastAPI(title="Cats", lifespan=lifespan, openapi_url=None)

    @app.post("/classify")
    async def classify(request: Request) -> dict:
        picture = await _picture(request, timeout)
        try:
            return await request.app.state.batcher.ask(picture)
        except QueueFull:
            raise HTTPException(503, "The queue is full.", {"Retry-After": str(RETRY_S)}) from None
        except Stopped:
            raise HTTPException(503, _STOPPED) from None

    @app.get("/health")
    async def health(request: Request, response: Response) -> dict:
        batcher = request.app.state.batcher
        if not batcher.running:
            response.status_code = 503
            return {"status": "stopped", "detail": _STOPPED}
        return {"status": "ready", "waiting": batcher.waiting, "max_queue": batcher.max_queue}

    return app


async def _picture(request: Request, timeout: float) -> bytes:
    """Read a picture of exactly `SIZE` bytes, and not a byte more than that into memory."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/octet-stream":
        raise HTTPException(415, _WANTED, _CLOSE)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for some in request.stream():
                body += some[:SIZE + 1]
                if len(body) > SIZE or int(request.headers.get("content-length", 0)) > SIZE:
                    raise HTTPException(413, f"That is too much. {_WANTED}", _CLOSE)
    except TimeoutError:
        raise HTTPException(408, f"The picture did not arrive within {timeout:g} s.", _CLOSE) from None
    except ClientDisconnect:
        raise HTTPException(400, f"The request ended early. {_WANTED}", _CLOSE) from None
    if len(body) != SIZE:
        raise HTTPException(422, f"{len(body):,} bytes came. {_WANTED}")
    return bytes(body)
