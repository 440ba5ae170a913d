"""Servers on real sockets, for clients under test: in this loop, and to be stopped and started again on one port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dovetail.net.binding import bind
from dovetail.net.draining import DrainingServer
from dovetail.net.uvicorn_protocol import HttpSite
from dovetail.wire import DEFAULT_LIMITS


@asynccontextmanager
async def serving(app: Any, port: int = 0) -> AsyncIterator[str]:
    """Serve an ASGI application on the loopback; yield the URL of its endpoint."""
    sockets = bind("127.0.0.1", port, None)
    started = asyncio.Event()
    server = DrainingServer(app, HttpSite(DEFAULT_LIMITS), drain_seconds=0.2, on_started=started.set)
    task = asyncio.create_task(server.serve(sockets))
    await started.wait()
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}/mcp"
    finally:
        server.stop()
        await task
