"""Tools (spec, Server Features, Tools).

Here live a tool's description, its call and its result. Never here: schema validation, or what a tool does.

Invariant: schemas, arguments and structured content stay the JSON they are; whoever needs them decodes them, once.
"""

from typing import Any, Literal

import msgspec

from dovetail.wire.base import Icon, Wire
from dovetail.wire.content import ContentBlock
from dovetail.wire.envelope import InputResponseRequestParams, PaginatedResult, Result


class ToolAnnotations(Wire, frozen=True, kw_only=True):
    """Hints on what a tool does (2025-03-26 and later). Untrusted unless the server is trusted.

    Attributes:
        title: For people; `Tool.title` comes first.
        read_only_hint: It changes nothing.
        destructive_hint: It may destroy something; means something only if it is not read-only.
        idempotent_hint: A second call with the same arguments changes nothing more.
        open_world_hint: It deals with the world outside.
    """

    title: str | None = None
    read_only_hint: bool | None = None
    destructive_hint: bool | None = None
    idempotent_hint: bool | None = None
    open_world_hint: bool | None = None


class ToolExecution(Wire, frozen=True, kw_only=True):
    """Whether a tool can run as a task (2025-11-25 only)."""

    task_support: Literal["forbidden", "optional", "required"] | None = None


class Tool(Wire, frozen=True, kw_only=True):
    """What a tool is called, what it does, what it takes and returns.

    Attributes:
        name: For programs; 1 to 128 of `[A-Za-z0-9_.-]`.
        input_schema: The JSON of a schema with `type: object`; JSON Schema 2020-12 unless `$schema` names another.
        output_schema: The JSON of a schema for `structuredContent` (2025-06-18 and later).
        execution: 2025-11-25 only.
    """

    name: str
    input_schema: msgspec.Raw
    title: str | None = None
    description: str | None = None
    output_schema: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    annotations: ToolAnnotations | None = None
    icons: list[Icon] | None = None
    execution: ToolExecution | None = None
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class ListToolsResult(PaginatedResult, frozen=True, kw_only=True):
    """One page of tools."""

    tools: list[Tool]


class CallToolRequestParams(InputResponseRequestParams, frozen=True, kw_only=True):
    """Call a tool.

    Attributes:
        name: The tool.
        arguments: The JSON of an object; UNSET when there are none.
    """

    name: str
    arguments: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class CallToolResult(Result, frozen=True, kw_only=True):
    """What a tool returned.

    Attributes:
        content: For the model to read.
        structured_content: JSON (2025-06-18 and later; until 2025-11-25 an object). Null is a value of its own. A value
            that a server's own code puts there as it is, a dict say, is encoded before anything else is done with it.
        is_error: The tool failed, and `content` says why.
    """

    content: list[ContentBlock]
    structured_content: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    is_error: bool | None = None
