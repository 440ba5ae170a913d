"""Capabilities: what each side can do beyond the minimum. Present means supported, absent means not.

The `tasks` of 2025-11-25 are not served, hence not declared and not read.
"""

from typing import Any, ClassVar

from dovetail.wire.base import Wire


class RootsCapability(Wire, frozen=True, kw_only=True):
    """The client has roots; `list_changed`: it tells when they change (until 2025-11-25)."""

    __wire_name__: ClassVar[str] = "ClientCapabilities.roots"

    list_changed: bool | None = None


class SamplingCapability(Wire, frozen=True, kw_only=True):
    """The client has a model; `context` and `tools` (2025-11-25 and later) are objects, empty for now."""

    __wire_name__: ClassVar[str] = "ClientCapabilities.sampling"

    context: dict[str, Any] | None = None
    tools: dict[str, Any] | None = None


class ElicitationCapability(Wire, frozen=True, kw_only=True):
    """The client can ask its user (2025-06-18 and later). An empty one means `form` (2025-11-25, Elicitation)."""

    __wire_name__: ClassVar[str] = "ClientCapabilities.elicitation"

    form: dict[str, Any] | None = None
    url: dict[str, Any] | None = None


class ClientCapabilities(Wire, frozen=True, kw_only=True):
    """What a client can do.

    Attributes:
        extensions: Settings by extension identifier (2026-07-28; read on every revision).
        experimental: By name, whatever was agreed on elsewhere.
    """

    roots: RootsCapability | None = None
    sampling: SamplingCapability | None = None
    elicitation: ElicitationCapability | None = None
    experimental: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class PromptsCapability(Wire, frozen=True, kw_only=True):
    """The server has prompts."""

    __wire_name__: ClassVar[str] = "ServerCapabilities.prompts"

    list_changed: bool | None = None


class ResourcesCapability(Wire, frozen=True, kw_only=True):
    """The server has resources."""

    __wire_name__: ClassVar[str] = "ServerCapabilities.resources"

    subscribe: bool | None = None
    list_changed: bool | None = None


class ToolsCapability(Wire, frozen=True, kw_only=True):
    """The server has tools."""

    __wire_name__: ClassVar[str] = "ServerCapabilities.tools"

    list_changed: bool | None = None


class ServerCapabilities(Wire, frozen=True, kw_only=True):
    """What a server can do.

    Attributes:
        logging: An object, empty for now.
        completions: An object, empty for now (2025-03-26 and later).
        extensions: Settings by extension identifier (2026-07-28).
        experimental: By name, whatever was agreed on elsewhere.
    """

    tools: ToolsCapability | None = None
    resources: ResourcesCapability | None = None
    prompts: PromptsCapability | None = None
    completions: dict[str, Any] | None = None
    logging: dict[str, Any] | None = None
    experimental: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
