"""Tools that show what happens while a call is under way: progress, logging, cancellation, streams, and who calls."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dovetail import Context, Header, Server
from dovetail.servers.everything.showing import harmless, icons
from dovetail.wire import LEVELS

_OPEN_HEADERS = frozenset(
    "accept accept-encoding accept-language content-length content-type host mcp-method mcp-name mcp-param-region "
    "mcp-protocol-version origin user-agent".split()
)
_HIDDEN = "(withheld)"


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """What `whoami` tells.

    Attributes:
        revision: The protocol revision of this call.
        era: Whether there is a session, or each request stands alone.
        client: Name and version, as the client says; null if it does not.
        capabilities: What the client declared.
        method: The method of this request.
        network: Whether the caller came over a network.
        known: Whether the server knows who the caller is.
        headers: HTTP header fields; values that may be secret are withheld.
    """

    revision: str
    era: str
    client: str | None
    capabilities: dict[str, Any]
    method: str
    network: bool
    known: bool
    headers: dict[str, str]


def add_working(app: Server) -> None:
    """Offer all of them."""
    for name, title, tool, hints in (
        ("trigger-long-running-operation", "Progress and cancellation", long_running, harmless()),
        ("log-at-every-level", "Logging", log_at_every_level, harmless()),
        ("trigger-stream-reconnect", "A stream that is closed and resumed", stream_reconnect, harmless()),
        ("route-by-header", "An argument in a header", route_by_header, harmless()),
        ("whoami", "Who calls", whoami, harmless()),
    ):
        app.add_tool(tool, name=name, title=title, annotations=hints, icons=icons())


async def long_running(
    ctx: Context,
    duration: Annotated[float, Meta(ge=0, le=60)] = 10.0,
    steps: Annotated[int, Meta(ge=1, le=100)] = 5,
) -> str:
    """Take some time, and tell how far it is.

    Shows progress, for callers that send a progress token, and cancellation: it ends at once when the caller gives up
    (spec: Base Protocol, Patterns, Progress and Cancellation). Messages of progress since 2025-03-26. On 2026-07-28
    over HTTP, who closes the connection has cancelled; before, it takes a notification.

    Args:
        duration: Seconds in all, at most 60.
        steps: How often progress is told.
    """
    for step in range(1, steps + 1):
        await asyncio.sleep(duration / steps)
        await ctx.progress(step, steps, f"Step {step} of {steps}")
    return f"Long running operation completed. Duration: {duration:g} seconds, Steps: {steps}."


async def log_at_every_level(ctx: Context, word: str = "hello") -> str:
    """Send a log message at each of the eight levels, from debug to emergency.

    Shows logging: the client gets those at its level and above (spec: Server Features, Utilities, Logging). The level
    is set by `logging/setLevel` until 2025-11-25, and by each request on 2026-07-28, where a request without one gets
    none. What looks like a secret is redacted: the field `password` here.

    Args:
        word: What to log.
    """
    for level in LEVELS:
        await ctx.log(level, {"level": level, "word": word, "password": "hunter2"}, logger="everything")
    return f"Logged {len(LEVELS)} messages; you got those of the level that you asked for."


async def stream_reconnect(ctx: Context) -> str:
    """Close the stream of this call, and answer when the client has come back for the rest.

    Shows polling: a stream that is closed before the result, which the client resumes with `Last-Event-ID` (spec of
    2025-11-25: Base Protocol, Transports, Sending Messages to the Server). On other revisions, and on stdio, the stream
    stays as it is.
    """
    await ctx.close_stream(0.1)
    await asyncio.sleep(0.2)
    return "The result, on whichever stream you read it."


async def route_by_header(region: Annotated[str, Header("Region")], query: str = "") -> str:
    """Tell which region was asked for.

    Shows an argument that clients repeat in the header `Mcp-Param-Region`, for gateways (spec: Server Features, Tools,
    x-mcp-header). Since 2026-07-28 and over HTTP, where a header that disagrees with the body is refused; elsewhere it
    is a plain argument.

    Args:
        region: Such as `eu-west`.
        query: What to ask there.
    """
    return f"Asked {region}{f' for {query}' if query else ''}."


async def whoami(ctx: Context) -> Who:
    """Tell what the server knows of this call: revision, client, capabilities, header fields.

    Shows what the client declares: at `initialize` until 2025-11-25, in the `_meta` of each request since (spec: Base
    Protocol, Versioning). Header fields that may hold a secret are withheld, and the server's environment is never
    shown.
    """
    peer = ctx.call.peer
    return Who(
        revision=ctx.revision.version,
        era="each request stands alone" if ctx.revision.stateless else "session",
        client=None if peer.info is None else f"{peer.info.name} {peer.info.version}",
        capabilities=msgspec.to_builtins(peer.capabilities),
        method=ctx.call.method,
        network=ctx.network,
        known=bool(ctx.principal.key),
        headers={_text(name): _shown(_text(name), _text(value)) for name, value in sorted(ctx.headers.items())},
    )


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


def _shown(name: str, value: str) -> str:
    return value[:200] if name in _OPEN_HEADERS else _HIDDEN
