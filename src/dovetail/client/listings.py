"""Complete lists, however many pages; and what of a catalogue a client may use."""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from dovetail.errors import InvalidParams, InvalidSchema, LimitExceeded, ProtocolViolation, quote
from dovetail.wire import (
    DEFAULT_LIMITS,
    Limits,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ParamHeader,
    Prompt,
    Resource,
    ResourceTemplate,
    Tool,
    decode,
    param_headers,
)

log = logging.getLogger("dovetail.client")

T = TypeVar("T")

MOST_EMPTY: Final = 100
_HINTS: Final = frozenset({"ttlMs", "cacheScope"})
_MOST_CURSOR: Final = 4096


class Listing(list[T], Generic[T]):
    """A list of everything a server offers of one kind; also reachable under the name of its kind.

    Attributes:
        kind: `tools`, `resources`, `resource_templates` or `prompts`.
        ttl_ms: For how many milliseconds it may be reused (2026-07-28, Caching); None when the server did not say.
    """

    def __init__(self, items: list[T], kind: str, ttl_ms: int | None) -> None:
        super().__init__(items)
        self.kind = kind
        self.ttl_ms = ttl_ms

    def __getattr__(self, name: str) -> "Listing[T]":
        if name != self.__dict__.get("kind"):
            raise AttributeError(f"a listing of {self.__dict__.get('kind')} has no {name!r}")
        return self


class Kind(msgspec.Struct, frozen=True):
    """One kind of list: its method, the result's type, the field that holds the items, here and as JSON, and theirs."""

    method: str
    result: Any
    field: str
    member: str
    item: Any


TOOLS: Final = Kind("tools/list", ListToolsResult, "tools", "tools", Tool)
RESOURCES: Final = Kind("resources/list", ListResourcesResult, "resources", "resources", Resource)
TEMPLATES: Final = Kind(
    "resources/templates/list",
    ListResourceTemplatesResult,
    "resource_templates",
    "resourceTemplates",
    ResourceTemplate,
)
PROMPTS: Final = Kind("prompts/list", ListPromptsResult, "prompts", "prompts", Prompt)

Item = Tool | Resource | ResourceTemplate | Prompt
_params = msgspec.json.Encoder().encode


def readable(raw: bytes, kind: type[T]) -> T:
    """Return a result as its type. Hints on caching that make no sense are no hints, and cost nobody the result.

    Raises:
        InvalidParams: It cannot be read.
    """
    try:
        return decode(raw, kind)
    except InvalidParams:
        if b'"ttlMs"' not in raw and b'"cacheScope"' not in raw:
            raise
    fields = msgspec.json.decode(raw)
    return decode(msgspec.json.encode({key: value for key, value in fields.items() if key not in _HINTS}), kind)


def _page(raw: bytes, kind: Kind) -> tuple[Any, list[Any]]:
    """Return a page and its items. One that cannot be read is left out, with a warning, and costs nobody the others.

    As the specification has it for a tool whose `x-mcp-header` is invalid; see `usable`.

    Raises:
        InvalidParams: The page itself cannot be read.
    """
    try:
        result = readable(raw, kind.result)
        return result, getattr(result, kind.field)
    except InvalidParams as error:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        try:
            given = msgspec.json.decode(fields[kind.member], type=list[msgspec.Raw])
        except (KeyError, msgspec.ValidationError):
            raise error from None
        items = []
        for item in given:
            with contextlib.suppress(InvalidParams):
                items.append(decode(item, kind.item))
        result = readable(msgspec.json.encode({**fields, kind.member: []}), kind.result)
        log.warning("%s: %d of %d are left out; the first: %s", kind.method, len(given) - len(items), len(given), error)
        return result, items


async def complete_list(
    kind: Kind, page: Callable[[bytes], Awaitable[bytes]], limits: Limits = DEFAULT_LIMITS
) -> Listing[Any]:
    """Return all pages as one list.

    Args:
        kind: What is listed.
        page: Asks for one page, given the parameters' JSON.
        limits: `list_items` and `list_bytes` bound it.

    Raises:
        LimitExceeded: Longer than it may be, or too many pages that hold nothing.
        ProtocolViolation: A cursor that came before, or a page that cannot be read (C-12).
    """
    items: list[Any] = []
    seen: set[str] = set()
    size, ttl, cursor, empty = 0, None, None, 0
    while True:
        raw = await page(_params(PaginatedRequestParams(cursor=cursor)) if cursor is not None else b"{}")
        size += len(raw)
        result, found = _page(raw, kind)
        items += found
        empty = 0 if found else empty + 1
        if empty > MOST_EMPTY:
            raise LimitExceeded(f"{kind.method}: more than {MOST_EMPTY} empty pages in a row")
        ttl = result.ttl_ms if ttl is None or (result.ttl_ms is not None and result.ttl_ms < ttl) else ttl
        if len(items) > limits.list_items:
            raise LimitExceeded(f"{kind.method}: more than {limits.list_items} items", limit="list_items")
        if size > limits.list_bytes:
            raise LimitExceeded(f"{kind.method}: more than {limits.list_bytes} bytes", limit="list_bytes")
        # "Clients MUST treat an empty-string cursor as a valid value; a missing nextCursor is the end" (Pagination)
        cursor = result.next_cursor
        if cursor is None:
            return Listing(items, kind.field, ttl)
        if cursor in seen or len(cursor) > _MOST_CURSOR:
            raise ProtocolViolation(f"{kind.method}: the server's cursor came before, so the list has no end")
        seen.add(cursor)


class Known(msgspec.Struct, frozen=True):
    """What is known of a tool from the last list.

    Attributes:
        headers: The arguments that travel as header fields, too.
        output: The JSON of the output schema; empty without one.
        idempotent: What its annotations say of it; untrusted.
    """

    headers: tuple[ParamHeader, ...]
    output: bytes
    idempotent: bool


def usable(tools: list[Tool]) -> tuple[list[Tool], dict[str, Known]]:
    """Return the tools that may be used, and what is known of each.

    "Clients MUST reject tool definitions whose x-mcp-header values are invalid: [...] exclude the tool from tools/list
    [and] SHOULD log a warning" (2026-07-28, Streamable HTTP, Custom Headers from Tool Parameters).
    """
    kept: list[Tool] = []
    known: dict[str, Known] = {}
    for tool in tools:
        try:
            schema = bytes(tool.input_schema)
            headers = param_headers(msgspec.json.decode(schema)) if b"x-mcp-header" in schema else ()
        except InvalidSchema as error:
            log.warning("The tool %s is left out: %s", quote(tool.name, 64), error)
            continue
        output = b"" if isinstance(tool.output_schema, msgspec.UnsetType) else bytes(tool.output_schema)
        hints = tool.annotations
        known[tool.name] = Known(headers, output, bool(hints and hints.idempotent_hint))
        kept.append(tool)
    return kept, known
