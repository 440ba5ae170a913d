"""`app.asgi()`: the server as one ASGI app. Every route passes the same guard (S-05).

    /mcp                Streamable HTTP, both eras
    /sse, /messages     the 2024-11-05 transport, HTTP with SSE (deprecated; can be switched off)
    /healthz            the process lives
    /readyz             it takes work: 503 while it drains
    /metrics            numbers for Prometheus, while the server uses `Metrics`

It starts its server when the lifespan begins, or with its first request when it is mounted in an app that does not
pass the lifespan on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from dovetail.core import Guard, Rejected, Stores, fields_of, is_preflight, preflight_fields, reply_fields
from dovetail.errors import AuthRequired, DefinitionError, DovetailError, InvalidRequest, MethodNotFound
from dovetail.net import FAILURE, Reply
from dovetail.server.calls.outcomes import masked
from dovetail.server.calls.turn import end_calls
from dovetail.server.runtime import Runtime
from dovetail.server.transports.http import Endpoint, refuse

if TYPE_CHECKING:
    from dovetail.server.app import Server

log = logging.getLogger("dovetail.server")


_TAKEN: Final = frozenset({"/healthz", "/readyz", "/metrics", "/sse", "/messages"})


def check_path(path: str) -> None:
    """Check where an endpoint is to be.

    Raises:
        DefinitionError: A path that does not begin with a slash, or that something else is served at.
    """
    if not path.startswith("/"):
        raise DefinitionError(f"{path!r} is no path of an endpoint: it begins with a slash, such as '/mcp'")
    if path in _TAKEN:
        raise DefinitionError(f"path={path!r} is taken: something else is served there; choose another, such as '/mcp'")


class App:
    """One server behind ASGI."""

    def __init__(
        self,
        server: "Server",
        *,
        path: str = "/mcp",
        host: str = "127.0.0.1",
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
        stores: Stores | None = None,
        legacy_sse: bool = True,
        worker: str = "",
    ) -> None:
        """Serve a server.

        Args:
            server: The server.
            path: Where the MCP endpoint is.
            host: The address that the outer server binds; its name is an allowed Host.
            allowed_hosts: Further names under which the server is reached.
            allowed_origins: Origins of web pages that may use it.
            stores: Where sessions, events and claims are kept; the server's own, else memory.
            legacy_sse: Serve the 2024-11-05 transport, too.
            worker: This process's name among the workers that share the stores; empty when it is alone.

        Raises:
            DefinitionError: A path that does not begin with a slash, or that something else is served at.
        """
        check_path(path)
        self.server = server
        self.path = path
        self.guard = Guard(
            allowed_hosts=(*server.allowed_hosts, *allowed_hosts),
            allowed_origins=(*server.allowed_origins, *allowed_origins),
            bind=host,
        )
        self._stores = stores or server.stores
        self._legacy = legacy_sse
        self._worker = worker
        self._starting: asyncio.Lock | None = None
        self._endpoint: Endpoint | None = None
        self._sse: Any = None

    def __repr__(self) -> str:
        state = "started" if self._endpoint else "new"
        return f"<App of {self.server.name} at {self.path}, {state}>"

    @property
    def authenticated(self) -> bool:
        """Whether the server knows its callers: whom `identify` lets in, and as whom, is its author's decision."""
        return self.server.identify is not None

    @property
    def runtime(self) -> Runtime | None:
        """What runs; None until it does."""
        return None if self._endpoint is None else self._endpoint.runtime

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        kind = scope["type"]
        if kind == "http":
            reply = Reply(scope, receive, send)
            try:
                await self._http(scope, receive, reply)
            except Exception as failure:
                if reply.started:
                    raise
                await self._failed(reply, failure)
        elif kind == "lifespan":
            await live(self.start, self.stop, scope, receive, send)
        elif kind == "websocket":
            await no_websocket(receive, send)

    async def _failed(self, reply: Reply, failure: Exception) -> None:
        """Answer a request that failed before anything could be said: the caller is unknown, or the fault is ours."""
        if isinstance(failure, AuthRequired):
            await refuse(reply, 401, InvalidRequest(str(failure)))
        else:
            await refuse(reply, 500, masked(failure, None))

    async def _http(self, scope: Any, receive: Any, reply: Reply) -> None:
        fields = fields_of(scope["headers"])
        if isinstance(fields, Rejected):
            await refuse(reply, fields.status, fields.error)
            return
        refusal = self.guard.check(fields.get(b"host"), fields.get(b"origin"))
        if refusal is not None:
            await refuse(reply, refusal.status, refusal.error)
            return
        origin = fields.get(b"origin")
        if origin is not None and self.guard.is_configured(origin):
            reply.extra = reply_fields(origin)
            if is_preflight(scope["method"], fields):
                await reply.whole(204, preflight_fields(fields))
                return
        endpoint = self._endpoint or await self.start()
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :] or "/"
        if path == self.path or (root and path in ("/", "")):
            await endpoint.serve(scope, fields, reply, receive)
        else:
            await self._other(path, scope, fields, reply, receive)

    async def _other(self, path: str, scope: Any, fields: dict[bytes, bytes], reply: Reply, receive: Any) -> None:
        endpoint = await self.start()
        match path:
            case "/healthz":
                await reply.whole(200, [(b"content-type", b"application/json")], b'{"status":"ok"}')
            case "/readyz":
                draining = endpoint.runtime.draining
                body = b'{"status":"draining"}' if draining else b'{"status":"ready"}'
                await reply.whole(503 if draining else 200, [(b"content-type", b"application/json")], body)
            case "/sse" | "/messages" if self._legacy:
                if self._sse is None:
                    from dovetail.server.transports.legacy import LegacyEndpoint

                    self._sse = LegacyEndpoint(endpoint, "/messages")
                await self._sse.serve(path, scope, fields, reply, receive)
            case "/metrics" if (metrics := _metrics_of(endpoint.runtime)) is not None:
                if self.server.identify is not None and not (await endpoint.principal(scope, fields)).key:
                    await refuse(reply, 403, InvalidRequest("The metrics are for those whom this server knows"))
                    return
                kind, text = await metrics.scrape(endpoint.runtime.stores.sessions)
                await reply.whole(200, [(b"content-type", kind)], text)
            case _:
                await refuse(reply, 404, MethodNotFound(f"There is nothing here; the MCP endpoint is {self.path}"))

    async def start(self) -> Endpoint:
        """Start, unless started: also called by the first request."""
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._endpoint is None:
                from dovetail.store import MemoryStores

                stores = self._stores or MemoryStores(max_bytes=self.server.limits.memory_bytes)
                runtime = Runtime(self.server, stores, worker=self._worker)
                await stores.occupy(alone=not self._worker)
                try:
                    await runtime.start()
                except BaseException:
                    await stores.aclose()
                    raise
                endpoint = Endpoint(runtime)
                await endpoint.sessions.adopt()
                self._endpoint = endpoint
            return self._endpoint

    def drain(self) -> None:
        """Begin to shut down: listen streams end with their result."""
        if self._endpoint is not None:
            self._endpoint.runtime.stores.leaving()
            self._endpoint.runtime.drain()

    async def settled(self) -> None:
        """Wait for the effects (`ctx.once`) of calls that are over: one that has begun goes on to its end."""
        while self._endpoint is not None and (effects := self._endpoint.runtime.effects):
            await asyncio.wait(effects)

    def end_calls(self) -> None:
        """Cut off the calls under way; each is answered with an error that says so."""
        if self._endpoint is not None:
            end_calls(self._endpoint.runtime)

    async def stop(self) -> None:
        """End what is under way and release everything."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.runtime.stores.leaving()
            await endpoint.runtime.stop()


async def live(
    start: Callable[[], Awaitable[Any]], stop: Callable[[], Awaitable[Any]], scope: Any, receive: Any, send: Any
) -> None:
    """Carry out the lifespan protocol: start, wait for the end, stop; a failure of either is told and logged."""
    tell = scope.get("extensions", {}).get(FAILURE)  # our own server, which raises it to whoever serves
    await receive()
    try:
        await start()
    except asyncio.CancelledError:  # whoever waits for the start has given it up, and knows
        await send({"type": "lifespan.startup.failed", "message": ""})
        raise
    except Exception as error:
        if tell is not None:
            tell(error)
        elif not isinstance(error, DovetailError):  # ours say it in one line, which the outer server prints
            log.error("The server could not start: %s", type(error).__name__, exc_info=error)
        await send({"type": "lifespan.startup.failed", "message": _said(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    try:
        await stop()
    except Exception as error:
        if tell is not None:
            tell(error)
        else:
            log.error("The server did not stop cleanly: %s", type(error).__name__, exc_info=error)
        await send({"type": "lifespan.shutdown.failed", "message": _said(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})


async def no_websocket(receive: Any, send: Any) -> None:
    """Turn a WebSocket away: there is nothing to talk to."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})


def _said(error: Exception) -> str:
    """Return what an outer server may print of a failure: what we raise ourselves holds no secrets."""
    return str(error) if isinstance(error, DovetailError) else type(error).__name__


def _metrics_of(runtime: Runtime) -> Any:
    """Return the server's `Metrics`, if it uses them; they are not imported for looking."""
    return next((watcher for watcher in runtime.watchers if hasattr(watcher, "scrape")), None)
