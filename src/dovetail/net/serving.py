"""`serve` and `serve_workers`: an ASGI application on our HTTP, until it is told to stop.

One process, or several that share one listening socket under a supervisor (`workers`). What a process needs to know
comes as options; what an application needs to know in a worker comes through the environment.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict, Unpack

import msgspec

from dovetail.errors import DefinitionError
from dovetail.net.binding import bind, check_reach, release, url_of
from dovetail.net.draining import DrainingServer
from dovetail.net.ending import run_to_end
from dovetail.net.standard import fill_streams, say
from dovetail.net.uvicorn_protocol import HttpSite
from dovetail.wire import DEFAULT_LIMITS, Limits

_DESCRIPTORS: Final = 65_536
_SPARE: Final = 64
"""Descriptors that connections never take: files, stores, pipes of the application."""
INTERRUPTED: Final = 130
"""Exit status of a server that was interrupted before it served, as a shell gives it."""


class ServeOptions(TypedDict, total=False):
    """Options of `serve` and `serve_workers`."""

    host: str
    """The address or name to bind, `127.0.0.1` by default; empty for every address."""
    port: int
    """8000 by default; 0 picks one."""
    uds: str | None
    """Path of a Unix socket, readable by its owner alone, in place of host and port."""
    path: str
    """Where the endpoint is; only for the URL that is announced."""
    limits: Limits
    """Limits on connections, heads and bodies; those of the server, when it is one of ours."""
    loop: str
    """`auto` (uvloop where it is installed), `uvloop` or `asyncio`."""
    on_ready: Callable[[str], None]
    """Called with the URL once requests are taken."""
    drain_seconds: float
    """How long requests under way may take to finish once the end begins; 10 by default."""
    allow_unauthenticated_network: bool
    """Serve callers beyond this machine without authentication."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The options with their defaults."""

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None
    path: str = ""
    limits: Limits = DEFAULT_LIMITS
    loop: str = "auto"
    on_ready: Any = None
    drain_seconds: float = 10.0
    allow_unauthenticated_network: bool = False

    def __post_init__(self) -> None:
        if self.loop not in ("auto", "uvloop", "asyncio"):
            raise DefinitionError(f"loop={self.loop!r}: expected 'auto', 'uvloop' or 'asyncio'")
        if not 0 <= self.port <= 65_535:
            raise DefinitionError(f"port={self.port}: expected 0 to 65535")

    def ready(self, url: str) -> None:
        """Say that requests are taken, on stderr and to `on_ready`."""
        say(f"Serving on {url} (Ctrl-C to stop)\n")
        if self.on_ready is not None:
            self.on_ready(url)


def serve(app: Any, **options: Unpack[ServeOptions]) -> None:
    """Serve an ASGI application in this process until SIGINT or SIGTERM.

    Args:
        app: The application. Its `drain()` is called when the end begins; `authenticated = True` on it says that it
            lets
            nobody in unknown.
        options: See `ServeOptions`.

    Raises:
        DefinitionError: The address cannot be bound, or may not be without authentication (S-04).
        SystemExit: Ctrl-C came before anything was served; its status is 130.
        Exception: What the start of the application failed with.
    """
    settings = Settings(**options)
    fill_streams()
    sockets = bind(settings.host, settings.port, settings.uds)
    try:
        authenticated = bool(getattr(app, "authenticated", False))
        check_reach(sockets, authenticated=authenticated, allowed=settings.allow_unauthenticated_network)
        url = url_of(sockets[0], settings.path)
        run_server(app, sockets, settings, lambda: settings.ready(url))
    finally:
        release(sockets, settings.uds)


def run_server(app: Any, sockets: list[Any], settings: Settings, on_started: Callable[[], None]) -> None:
    """Run one server on bound sockets until it ends."""
    site = HttpSite(settings.limits, max_connections=max_connections())

    given_up = False

    async def main() -> None:
        nonlocal given_up
        server = DrainingServer(app, site, drain_seconds=settings.drain_seconds, on_started=on_started)
        await server.serve(sockets)
        given_up = server.given_up

    run_to_end(main(), loop_factory(settings.loop))
    if given_up:
        raise SystemExit(INTERRUPTED)


def serve_workers(
    target: str, *, workers: int, environment: Mapping[str, str] | None = None, **options: Unpack[ServeOptions]
) -> None:
    """Serve in several processes on one listening socket, until SIGINT or SIGTERM. SIGHUP replaces them in turn.

    Args:
        target: `module:function` or `path/to/file.py:function`; called in each worker without arguments, returns the
            app.
        workers: How many processes.
        environment: Added to their environment.
        options: See `ServeOptions`.

    Raises:
        DefinitionError: As `serve`; also when no worker can start.
        SystemExit: As `serve`.
    """
    from dovetail.net.workers import Supervisor

    if workers < 1:
        raise DefinitionError(f"workers={workers}: expected at least 1")
    settings = Settings(**options)
    fill_streams()
    sockets = bind(settings.host, settings.port, settings.uds)
    try:
        supervisor = Supervisor(target, sockets, settings, workers, {**os.environ, **(environment or {})})
        supervisor.run()
        if supervisor.given_up:
            raise SystemExit(INTERRUPTED)
    finally:
        release(sockets, settings.uds)


def loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop.

    Raises:
        DefinitionError: uvloop was asked for and is not installed.
    """
    if loop != "asyncio":
        with contextlib.suppress(ImportError):
            import uvloop

            return uvloop.new_event_loop
        if loop == "uvloop":
            raise DefinitionError("loop='uvloop': uvloop is not installed")
    return asyncio.new_event_loop


def max_connections() -> int:
    """Raise this process's limit of open files as far as it may, and return how many of them connections may take.

    A connection that is turned away costs one answer. Without descriptors, accepting fails again and again (R-37).
    """
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _DESCRIPTORS if soft == resource.RLIM_INFINITY else max(16, soft - max(_SPARE, soft // 16))
