"""Several servers in one process on one port, each below a path of its own: `/files/mcp`, `/sql/mcp`.

Each keeps its own catalogue, state and limits; nothing is shared but the port. `/healthz` and `/readyz` are for all.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

from dovetail.core import Guard, Rejected, fields_of
from dovetail.errors import DefinitionError, DovetailError, InvalidName, MethodNotFound, quote
from dovetail.net import Reply, ServeOptions, serve
from dovetail.server.checking import checked
from dovetail.server.transports.asgi import App, live, no_websocket
from dovetail.server.transports.http import refuse
from dovetail.server.transports.run import stores_for
from dovetail.wire import check_tool_name

if TYPE_CHECKING:
    from dovetail.server.app import Server

_FOR_ALL: Final = frozenset({"/healthz", "/readyz"})
_ENDPOINT: Final = "/mcp"


class TogetherOptions(ServeOptions, total=False):
    """Options of `run_together`: those of `dovetail.net.serve`, and these."""

    state: str | os.PathLike[str] | None
    """Directory for sessions, events, claims and keys, a folder in it for each server; memory without one."""
    allowed_hosts: list[str]
    """Further names under which the servers are reached."""
    allowed_origins: list[str]
    """Origins of web pages that may use them."""


class Together:
    """Apps behind ASGI, chosen by the first segment of the path."""

    def __init__(self, apps: Mapping[str, App], guard: Guard) -> None:
        """Serve apps.

        Args:
            apps: By the segment that leads to each.
            guard: Looks at requests that are for none of them.
        """
        self._apps = dict(apps)
        self._guard = guard
        self._started = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<Together {', '.join(self._apps)}>"

    @property
    def authenticated(self) -> bool:
        """Whether each of them knows its callers."""
        return all(app.server.identify is not None for app in self._apps.values())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await live(self._start, self._stop, scope, receive, send)
            case "websocket":
                await no_websocket(receive, send)

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        path: str = scope["path"]
        if path in _FOR_ALL:
            await next(iter(self._apps.values()))(scope, receive, send)
            return
        segment = path[1:].partition("/")[0]
        app = self._apps.get(segment)
        if app is None:
            await self._nothing(scope, Reply(scope, receive, send))
        else:
            await app({**scope, "root_path": f"/{segment}"}, receive, send)

    async def _nothing(self, scope: Any, reply: Reply) -> None:
        fields = fields_of(scope["headers"])
        if isinstance(fields, Rejected):
            await refuse(reply, fields.status, fields.error)
            return
        refusal = self._guard.check(fields.get(b"host"), fields.get(b"origin"))
        if refusal is not None:
            await refuse(reply, refusal.status, refusal.error)
            return
        places = ", ".join(f"/{segment}{_ENDPOINT}" for segment in self._apps)
        await refuse(reply, 404, MethodNotFound(f"There is nothing here; the MCP endpoints are {places}"))

    async def _start(self) -> None:
        """Start all, or none."""
        async with AsyncExitStack() as started:
            for segment, app in self._apps.items():
                try:
                    await app.start()
                except DovetailError as error:
                    raise DefinitionError(f"{segment}: {error}") from None
                started.push_async_callback(app.stop)
            self._started = started.pop_all()

    async def _stop(self) -> None:
        """Stop all, whatever one of them raises."""
        await self._started.aclose()

    def drain(self) -> None:
        """Begin to shut down: listen streams end with their result."""
        for app in self._apps.values():
            app.drain()

    async def settled(self) -> None:
        """Wait for the effects of calls that are over."""
        for app in self._apps.values():
            await app.settled()


def together(
    servers: "Mapping[str, Server]",
    *,
    host: str = "127.0.0.1",
    allowed_hosts: Iterable[str] = (),
    allowed_origins: Iterable[str] = (),
    state: str | os.PathLike[str] | None = None,
) -> Together:
    """Return an ASGI app that serves several servers, each at `/NAME/mcp`, and `/NAME/sse` for the oldest clients.

    Args:
        servers: By the names that lead to them: 1 to 128 of `[A-Za-z0-9_.-]`.
        host: The address that the outer server binds; its name is an allowed Host.
        allowed_hosts: Further names under which the servers are reached.
        allowed_origins: Origins of web pages that may use them.
        state: Directory for sessions, events, claims and keys, a folder in it for each server; memory without one.

    Raises:
        DefinitionError: No server, or a name that is none or is taken.
    """
    if not servers:
        raise DefinitionError("There is no server to serve: name at least one")
    hosts, origins = tuple(allowed_hosts), tuple(allowed_origins)
    apps = {}
    for name, server in servers.items():
        _check_segment(name)
        if f"/{name}" in _FOR_ALL or not name.strip("."):
            raise DefinitionError(f"{name!r} is taken: something else is there; choose another name")
        place = None if state is None else Path(state) / name
        stores = stores_for(server, place)
        apps[name] = App(server, host=host, allowed_hosts=hosts, allowed_origins=origins, stores=stores)
    return Together(apps, Guard(hosts, origins, host))


def _check_segment(name: str) -> None:
    try:
        check_tool_name(name)  # the same letters can stand in a URL as they are
    except InvalidName:
        raise InvalidName(
            f"{quote(name)} cannot be a server's name here: it stands in the path of its URL, so it has 1 to 128 of "
            "A-Z a-z 0-9 _ . -"
        ) from None


def run_together(servers: "Mapping[str, Server]", **options: Unpack[TogetherOptions]) -> None:
    """Serve several servers over HTTP in this process until stopped, each at `/NAME/mcp`.

    Raises:
        DefinitionError: As `together`, an option that there is not, or an address beyond this machine without
            authentication.
    """
    options = cast("TogetherOptions", checked("run_together", TogetherOptions, options))
    host, state = options.get("host", "127.0.0.1"), options.pop("state", None)
    hosts, origins = options.pop("allowed_hosts", []), options.pop("allowed_origins", [])
    app = together(servers, host=host, allowed_hosts=hosts, allowed_origins=origins, state=state)
    serve(app, **cast("ServeOptions", options))
