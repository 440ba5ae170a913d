"""Resources and resource templates (spec, Server Features, Resources).

Here live their descriptions, reading them and subscribing to one. Never here: URI matching (see `templates`).
"""

from typing import Any

import msgspec

from dovetail.wire.base import Annotations, Icon, Wire
from dovetail.wire.content import ResourceContents
from dovetail.wire.envelope import CacheableResult, InputResponseRequestParams, PaginatedResult, RequestParams


class Resource(Wire, frozen=True, kw_only=True):
    """Something that can be read.

    Attributes:
        uri: What it is read by.
        name: For programs.
        size: Bytes before any encoding.
    """

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    size: int | None = None
    annotations: Annotations | None = None
    icons: list[Icon] | None = None
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class ResourceTemplate(Wire, frozen=True, kw_only=True):
    """A family of resources: `uri_template` follows RFC 6570; `mime_type` is set only if all of them have it."""

    uri_template: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    annotations: Annotations | None = None
    icons: list[Icon] | None = None
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class ListResourcesResult(PaginatedResult, frozen=True, kw_only=True):
    """One page of resources."""

    resources: list[Resource]


class ListResourceTemplatesResult(PaginatedResult, frozen=True, kw_only=True):
    """One page of templates."""

    resource_templates: list[ResourceTemplate]


class ReadResourceRequestParams(InputResponseRequestParams, frozen=True, kw_only=True):
    """Read a resource."""

    uri: str


class ReadResourceResult(CacheableResult, frozen=True, kw_only=True):
    """What stands in a resource: often one item, several for something like a directory."""

    contents: list[ResourceContents]


class SubscribeRequestParams(RequestParams, frozen=True, kw_only=True):
    """Hear of changes of a resource (until 2025-11-25)."""

    uri: str


class UnsubscribeRequestParams(RequestParams, frozen=True, kw_only=True):
    """Hear of them no more (until 2025-11-25)."""

    uri: str
