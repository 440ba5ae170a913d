"""Content: what prompts, tools and models say to each other.

Here live the kinds of content, told apart by `type`. Never here: a decision on which kind a revision or a client knows.
"""

from typing import Any

import msgspec

from dovetail.wire.base import Annotations, Icon, Wire


class Content(Wire, frozen=True, kw_only=True, tag_field="type"):
    """The base of every kind. `type` is the Struct's tag: written always, and not an attribute (match on the class)."""

    annotations: Annotations | None = None
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class TextContent(Content, frozen=True, kw_only=True, tag="text"):
    """Text."""

    text: str


class ImageContent(Content, frozen=True, kw_only=True, tag="image"):
    """A picture: `data` is base64, `mime_type` says of what."""

    data: str
    mime_type: str


class AudioContent(Content, frozen=True, kw_only=True, tag="audio"):
    """Sound (2025-03-26 and later): `data` is base64, `mime_type` says of what."""

    data: str
    mime_type: str


class ResourceLink(Content, frozen=True, kw_only=True, tag="resource_link"):
    """A resource that can be read (2025-06-18 and later); it need not be in the list of resources.

    Attributes:
        uri: What to read.
        name: For programs.
        size: Bytes before any encoding.
    """

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    size: int | None = None
    icons: list[Icon] | None = None


class ResourceContents(Wire, frozen=True, kw_only=True):
    """What stands in a resource: text, or base64 bytes in `blob`; one of them, never both.

    The schema's `TextResourceContents` and `BlobResourceContents` in one, since nothing on the wire but the field tells
    them apart.
    """

    uri: str
    mime_type: str | None = None
    text: str | None = None
    blob: str | None = None
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")

    def __post_init__(self) -> None:
        if (self.text is None) == (self.blob is None):
            raise ValueError("Expected one of `text` and `blob`")

    @property
    def __wire_name__(self) -> str:
        """The official name of this variant."""
        return "BlobResourceContents" if self.text is None else "TextResourceContents"


def TextResourceContents(
    uri: str, text: str, mime_type: str | None = None, *, meta: dict[str, Any] | None = None
) -> ResourceContents:
    """Contents that are text."""
    return ResourceContents(uri=uri, text=text, mime_type=mime_type, meta=meta)


def BlobResourceContents(
    uri: str, blob: str, mime_type: str | None = None, *, meta: dict[str, Any] | None = None
) -> ResourceContents:
    """Contents that are bytes, as base64."""
    return ResourceContents(uri=uri, blob=blob, mime_type=mime_type, meta=meta)


class EmbeddedResource(Content, frozen=True, kw_only=True, tag="resource"):
    """A resource's contents, right here."""

    resource: ResourceContents


ContentBlock = TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource
"""What prompts and tool results are made of."""


class ToolUseContent(Wire, frozen=True, kw_only=True, tag_field="type", tag="tool_use"):
    """A model wants a tool called (2025-11-25 and later).

    Attributes:
        id: Names this use; the result refers to it.
        name: The tool.
        input: Its arguments.
    """

    id: str
    name: str
    input: dict[str, Any]
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class ToolResultContent(Wire, frozen=True, kw_only=True, tag_field="type", tag="tool_result"):
    """What a tool returned to a model (2025-11-25 and later).

    Attributes:
        tool_use_id: The use that this answers.
        content: As in `CallToolResult`.
        structured_content: JSON; null is a value of its own.
        is_error: The tool failed.
    """

    tool_use_id: str
    content: list[ContentBlock]
    structured_content: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    is_error: bool | None = None
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


SamplingMessageContentBlock = TextContent | ImageContent | AudioContent | ToolUseContent | ToolResultContent
"""What messages to and from a model are made of."""

SamplingContent = SamplingMessageContentBlock
