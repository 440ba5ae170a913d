"""Options of what a server offers, as keyword arguments: one TypedDict each, so that an editor knows them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec

from dovetail.core import Principal
from dovetail.wire import Annotations, Icon, Limits, ToolAnnotations

if TYPE_CHECKING:
    from dovetail.core import Stores
    from dovetail.server.app import Server
    from dovetail.server.calls.gates import Rate

Lifespan = Callable[["Server"], AbstractAsyncContextManager[Any] | AsyncIterator[Any]]
Identify = Callable[[Any, Mapping[bytes, bytes]], Principal | Awaitable[Principal | None] | None]


class Cache(msgspec.Struct, frozen=True):
    """How long a client may reuse a result, and whether it may share it (2026-07-28, Caching).

    Attributes:
        seconds: 0 means not at all.
        scope: `public` only for what every caller may see.
    """

    seconds: float = 0.0
    scope: Literal["public", "private"] = "private"


class Common(TypedDict, total=False):
    """What tools, resources and prompts have in common."""

    name: str
    """For programs; the function's name, when not given."""
    title: str
    """For people."""
    description: str
    """The docstring's text, when not given."""
    icons: list[Icon]
    """For a client's user interface (2025-11-25 and later)."""
    meta: dict[str, Any]
    """`_meta`: keys with a prefix of yours; those that MCP reserves are refused."""
    scopes: Iterable[str]
    """Scopes that a caller must have to see and use it."""
    tags: Iterable[str]
    """For filtering on this side; not sent."""
    version: str
    """For people; sent in `_meta` under `dovetail/version`."""
    timeout: float | None
    """Seconds that a call may take, the client's answers not counted; None for no limit."""
    limit: "str | Rate"
    """Calls of one principal, such as `"10/s"`."""
    concurrency: int
    """Calls at a time, of all principals."""


class ToolOptions(Common, total=False):
    """Options of a tool."""

    annotations: ToolAnnotations
    """Hints on what it does: read-only, destructive, idempotent (2025-03-26 and later)."""
    input_schema: Mapping[str, Any] | bytes
    """A JSON Schema, sent verbatim; arguments are validated against it and arrive as JSON values."""
    output_schema: Mapping[str, Any] | bytes | None
    """A JSON Schema, sent verbatim; None for none."""
    structured: bool
    """False: results are content only, whatever the return annotation says."""
    repair: bool
    """False: arguments that arrive as JSON strings are refused instead of repaired."""
    cache: Cache
    """A hint in `_meta` under `dovetail/cache`, for hosts and gateways that cache calls."""


class ResourceOptions(Common, total=False):
    """Options of a resource, or a template."""

    mime_type: str
    """What its contents are; found out from what is returned, when not given."""
    size: int
    """Bytes, if known; not for a template."""
    any_path: bool
    """True: a template's variables may hold `..`, absolute paths and the like; the function copes. Default False."""
    annotations: Annotations
    """For whom it is, and how important."""
    cache: Cache
    """How long its contents may be reused (2026-07-28)."""


class PromptOptions(Common, total=False):
    """Options of a prompt."""


class ServerOptions(TypedDict, total=False):
    """Options of a server."""

    version: str
    """Of the server; `0.0.0`, when not given."""
    title: str
    """For people (2025-06-18 and later)."""
    description: str
    """For people (2025-11-25 and later)."""
    website_url: str
    """Where people read about it (2025-11-25 and later)."""
    icons: list[Icon]
    """For a client's user interface (2025-11-25 and later)."""
    instructions: str
    """How a model should use the server."""
    declares: Collection[Literal["tools", "prompts", "resources"]]
    """Kinds that may come while the server runs: declared from the start, though there is none yet."""
    lifespan: Lifespan
    """What is opened when the server starts and closed when it ends; handlers see it as `ctx.lifespan`."""
    limits: Limits
    """Limits on what a peer may send; see the page on security."""
    stores: "Stores"
    """Where sessions, events and claims are kept; memory, when not given."""
    rate: "str | Rate"
    """Calls of one principal over a network."""
    threads: int
    """Plain functions that may run at a time."""
    page_size: int | None
    """Entries on one page of a list; None for one page."""
    cache: Cache
    """How long lists may be reused."""
    identify: Identify
    """From an ASGI scope and header fields to the principal; None for a stranger. Plain or async."""
    allowed_hosts: Iterable[str]
    """Names, besides the loopback ones, under which the server is reached over HTTP."""
    allowed_origins: Iterable[str]
    """Origins of web pages that may use it."""
    audience: str
    """What sealed state is bound to; the name, when not given."""
    single_use: bool
    """A sealed state can be used once only."""
    timeout: float | None
    """Seconds that any call may take, where an entry does not say."""


class AppOptions(TypedDict, total=False):
    """Options of `app.asgi()`; what each does stands at `dovetail.server.transports.asgi.App`."""

    host: str
    """The address that the outer server binds; its name is an allowed Host."""
    allowed_hosts: Iterable[str]
    """Further names under which the server is reached."""
    allowed_origins: Iterable[str]
    """Origins of web pages that may use it."""
    stores: "Stores | None"
    """Where sessions, events and claims are kept; the server's own, else memory."""
    legacy_sse: bool
    """Serve the 2024-11-05 transport, too."""
    worker: str
    """This process's name among the workers that share the stores; empty when it is alone."""
