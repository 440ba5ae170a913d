"""`app.run("http")`: the server behind our own HTTP server, in one process or several."""

import os
import secrets
import sys
from typing import TYPE_CHECKING, Any, Unpack, cast

import msgspec

from dovetail.errors import DefinitionError
from dovetail.net import ServeOptions, serve, serve_workers
from dovetail.server.checking import checked
from dovetail.server.transports.asgi import check_path
from dovetail.server.transports.run import stores_at, stores_for

if TYPE_CHECKING:
    from dovetail.server.app import Server


class HttpOptions(ServeOptions, total=False):
    """Options of `run("http")`: those of `dovetail.net.serve`, and these."""

    path: str
    """Where the MCP endpoint is; `/mcp` by default."""
    workers: int
    """Processes; more than one need `state`, which they share."""
    state: str | os.PathLike[str] | None
    """Directory for sessions, events, claims and keys; memory without one."""
    source: str
    """`FILE[:object]` that each worker loads; the program that runs, when not given."""
    allowed_hosts: list[str]
    """Further names under which the server is reached."""
    allowed_origins: list[str]
    """Origins of web pages that may use it."""


def run_http(server: "Server", **options: Unpack[HttpOptions]) -> None:
    """Serve HTTP until stopped; `path` is where the MCP endpoint is, `/mcp` by default.

    Raises:
        DefinitionError: An option that there is not, an address beyond this machine without authentication, or workers
            that share nothing.
    """
    options = cast("HttpOptions", checked('run("http")', HttpOptions, options))
    workers, state = options.pop("workers", 1), options.pop("state", None)
    source = options.pop("source", None) or os.path.abspath(sys.argv[0])
    names = {"allowed_hosts": options.pop("allowed_hosts", []), "allowed_origins": options.pop("allowed_origins", [])}
    options.setdefault("path", "/mcp")
    check_path(options["path"])
    options.setdefault("limits", server.limits)
    host = options.get("host", "127.0.0.1")
    rest = cast("ServeOptions", options)
    if workers == 1:
        app = server.asgi(options["path"], host=host, stores=stores_for(server, state), **names)
        serve(app, **rest)
        return
    if state is None:
        raise DefinitionError("More than one worker needs a state directory that all share: state=DIR or --state DIR")
    if server.stores is not None:
        raise DefinitionError("Workers share the state directory: they cannot use the stores of Server(stores=...)")
    settings = _Worker(source, os.fspath(state), options["path"], host, **names)
    environment = {_WORKER: msgspec.json.encode(settings).decode()}
    serve_workers(f"{__name__}:worker_app", workers=workers, environment=environment, **rest)


class _Worker(msgspec.Struct, frozen=True):
    """What a worker process needs to know."""

    source: str
    state: str
    path: str
    host: str
    allowed_hosts: list[str] = []
    allowed_origins: list[str] = []


_WORKER = "DOVETAIL_WORKER"


def worker_app() -> Any:
    """Return the app of a worker process, as its environment describes it."""
    from dovetail.server.source import load_server

    settings = msgspec.json.decode(os.environ[_WORKER], type=_Worker)
    server = load_server(settings.source)
    return server.asgi(
        settings.path,
        host=settings.host,
        stores=stores_at(settings.state, server.limits),
        worker=f"w{os.getpid():x}-{secrets.token_hex(4)}-",
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.allowed_origins,
    )
