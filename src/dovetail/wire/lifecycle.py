"""How two sides get to know each other: `initialize` (until 2025-11-25) and `server/discover` (2026-07-28)."""

from typing import Any

from dovetail.wire.base import Implementation, Wire
from dovetail.wire.capabilities import ClientCapabilities, ServerCapabilities
from dovetail.wire.envelope import CacheableResult, RequestParams, Result


class InitializeRequestParams(RequestParams, frozen=True, kw_only=True):
    """The first request of a stateful session."""

    protocol_version: str
    capabilities: ClientCapabilities
    client_info: Implementation


class InitializeResult(Result, frozen=True, kw_only=True):
    """The revision to speak, and who answers.

    Attributes:
        instructions: How to use the server; a client may show it to its model.
    """

    protocol_version: str
    capabilities: ServerCapabilities
    server_info: Implementation
    instructions: str | None = None


class DiscoverResult(CacheableResult, frozen=True, kw_only=True):
    """What a server speaks and can do. Who it is stands in `_meta`, as with every result."""

    supported_versions: list[str]
    capabilities: ServerCapabilities
    instructions: str | None = None


class UnsupportedVersionData(Wire, frozen=True, kw_only=True):
    """`data` of error -32022."""

    supported: list[str]
    requested: str


class MissingCapabilityData(Wire, frozen=True, kw_only=True):
    """`data` of error -32021: `ClientCapabilities` that would be needed, as plain JSON."""

    required_capabilities: dict[str, Any]
