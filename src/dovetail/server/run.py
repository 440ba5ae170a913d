"""`app.run()` and `app.connect()`: a server on a transport, until it ends. Loaded when something is to run."""

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from dovetail.core import Principal
from dovetail.errors import DefinitionError
from dovetail.server.connection import Connection
from dovetail.server.runtime import Runtime

if TYPE_CHECKING:
    from dovetail.core import Stores
    from dovetail.net import Channel
    from dovetail.server.app import Server

LOCAL = Principal(key="", bucket="local")
"""Who speaks on stdio or in memory: whoever started the process."""


def stores_at(state: str | os.PathLike[str] | None) -> "Stores":
    """Return stores in a state directory, or in memory without one."""
    if state is None:
        from dovetail.store import MemoryStores

        return MemoryStores()
    from dovetail.store import SqliteStores

    return SqliteStores(state)


def run(server: "Server", transport: str, options: dict[str, Any]) -> None:
    """Serve until stopped. See `Server.run`."""
    match transport:
        case "stdio":
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(serve_stdio(server, **options))
        case "http":
            run_http(server, **options)
        case _:
            raise DefinitionError(f"There is no transport {transport!r}: expected 'stdio' or 'http'")


async def serve_stdio(server: "Server", *, state: str | os.PathLike[str] | None = None) -> None:
    """Serve this process's standard streams until the client closes them."""
    from dovetail.net import open_stdio

    runtime = Runtime(server, server.stores or stores_at(state))
    channel = await open_stdio(server.limits)
    try:
        await runtime.start()
        await Connection(runtime, channel, LOCAL).serve()
    finally:
        await runtime.stop()
        await channel.aclose()


def run_http(
    server: "Server",
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    path: str = "/mcp",
    workers: int = 1,
    state: str | os.PathLike[str] | None = None,
    source: str | None = None,
    **options: Any,
) -> None:
    """Serve HTTP until stopped.

    Args:
        server: The server.
        host: The address to bind. Beyond loopback it needs `allow_unauthenticated_network=True` or an `identify`.
        port: 0 picks one.
        path: Where the MCP endpoint is.
        workers: Processes; more than one need `state`, which they share, and `source`.
        state: Directory for sessions, events, claims and keys; memory without one.
        source: `FILE[:object]` that each worker loads; the program that runs, when not given.
        options: See `dovetail.net.serve`.
    """
    from dovetail.net import serve

    if server.identify is not None:
        options.setdefault("allow_unauthenticated_network", True)
    if workers > 1:
        _run_workers(server, host=host, port=port, path=path, workers=workers, state=state, source=source, **options)
        return
    stores = server.stores or stores_at(state)
    app = server.asgi(path, host=host, stores=stores)
    serve(app, host=host, port=port, path=path, limits=server.limits, **options)


def _run_workers(
    server: "Server", *, workers: int, state: Any, source: str | None, path: str, host: str, **options: Any
) -> None:
    from dovetail.net import serve_workers

    if state is None:
        raise DefinitionError("More than one worker needs a state directory that all share: state=DIR or --state DIR")
    target = source or os.path.abspath(sys.argv[0])
    serve_workers(
        f"{target}",
        workers=workers,
        host=host,
        environment=worker_environment(state, path, host),
        limits=server.limits,
        **options,
    )


def worker_environment(state: Any, path: str, host: str) -> dict[str, str]:
    """Return what a worker needs to know, as environment variables."""
    return {"DOVETAIL_STATE": os.fspath(state), "DOVETAIL_PATH": path, "DOVETAIL_HOST": host}


def connect(server: "Server") -> "Channel":
    """Return the client's end of an in-memory connection. See `Server.connect`."""
    from dovetail.net import memory_pair

    near, far = memory_pair(server.limits)
    task = asyncio.get_running_loop().create_task(_serve_channel(server, far))
    _serving.add(task)
    task.add_done_callback(_serving.discard)
    return near


_serving: set["asyncio.Task[None]"] = set()


async def _serve_channel(server: "Server", channel: "Channel") -> None:
    runtime = await shared_runtime(server)
    await Connection(runtime, channel, LOCAL).serve()


async def shared_runtime(server: "Server") -> Runtime:
    """Return the runtime that in-memory connections of one server and event loop share."""
    loop = asyncio.get_running_loop()
    for runtime in server.running:
        if runtime.loop is loop:
            return runtime
    runtime = Runtime(server, server.stores or stores_at(None))
    await runtime.start()
    return runtime
