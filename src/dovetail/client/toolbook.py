"""What a client knows of its server's tools from the last list: headers to mirror, results to check and to rebuild.

Each caller has a book, since a server may show each other tools, or other schemas under the same name. What a schema
compiles to is shared.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Final

import msgspec

from dovetail.client.failures import asked, named
from dovetail.client.link import NOTHING
from dovetail.client.listings import Known, Listing, usable
from dovetail.client.options import CallOptions
from dovetail.client.results import ToolResult
from dovetail.errors import DovetailError, InvalidArguments, InvalidSchema, ProtocolViolation, quote
from dovetail.wire import CallToolResult, Tool, Validator, compile_schema, header_value

log = logging.getLogger("dovetail.client")

_LARGE: Final = 4096
"""Bytes of a schema that is compiled in a thread: a hostile one takes half a second (C-13)."""
_BOOKS: Final = 1000
"""Callers whose tools are remembered: who calls for more of them lists again for those not heard of for longest."""
_CALLERS: Final = frozenset({"principal", "auth", "headers"})
_EACH: Final = frozenset(
    {"traceparent", "tracestate", "baggage", "x-request-id", "x-correlation-id", "request-id", "idempotency-key"}
)
"""Header fields of one request, not of a caller."""
_SCHEMAS: Final = 20_000
_REST_SECONDS: Final = 60.0
"""How long the tools are not listed again for a result, once that has failed."""


class _Output:
    """An output schema in use: what checks it, and what rebuilds its data."""

    def __init__(self, schema: bytes) -> None:
        from dovetail.client.rebuilding import reader_of

        self.read = reader_of(schema)
        try:
            self.validator: Validator | None = compile_schema(schema)
        except InvalidSchema:
            self.validator = None  # a schema that cannot be used binds nobody; the others go on (C-13)


class _Outputs:
    """Output schemas in use, each compiled once."""

    def __init__(self) -> None:
        self._made: OrderedDict[bytes, _Output] = OrderedDict()

    async def of(self, schema: bytes) -> _Output:
        output = self._made.get(schema)
        if output is None:
            large = len(schema) > _LARGE
            output = self._made[schema] = await asyncio.to_thread(_Output, schema) if large else _Output(schema)
            if len(self._made) > _SCHEMAS:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(schema)
        return output


class ToolBooks:
    """The books of one client."""

    def __init__(self, server: str) -> None:
        """Know nothing yet of the tools of `server`, which is its name in errors."""
        self._server = server
        self._outputs = _Outputs()
        self._own = ToolBook(server, self._outputs)
        self._books: OrderedDict[Hashable, ToolBook] = OrderedDict()

    def __repr__(self) -> str:
        return f"<ToolBooks of {len(self._books)} callers>"

    def of(self, options: CallOptions) -> "ToolBook":
        """Return the book of whoever calls: a principal, or credentials of the call's own."""
        if options.keys().isdisjoint(_CALLERS):
            return self._own
        caller = (options.get("principal"), _Credentials(options.get("auth"), options.get("headers", NOTHING)))
        book = self._books.get(caller)
        if book is None:
            book = self._books[caller] = ToolBook(self._server, self._outputs)
            if len(self._books) > _BOOKS:
                self._books.popitem(last=False)
        else:
            self._books.move_to_end(caller)
        return book

    async def aclose(self) -> None:
        """Give up listings that nobody waits for any more."""
        for book in (self._own, *self._books.values()):
            await book.aclose()


class _Credentials:
    """Who a call of its own credentials is from: the same object, or the same texts, is the same caller.

    Any header field may be what a server knows callers by, but for those that differ with each request.
    """

    __slots__ = ("_auth", "_fields")

    def __init__(self, auth: Any, headers: Mapping[str, str]) -> None:
        self._auth = auth
        fields = ((name.lower(), value) for name, value in headers.items())
        self._fields = frozenset((name, value) for name, value in fields if name not in _EACH)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Credentials) or self._fields != other._fields:
            return False
        return self._auth is other._auth or (isinstance(self._auth, str) and self._auth == other._auth)

    def __hash__(self) -> int:
        return hash((self._auth if isinstance(self._auth, str) else id(self._auth), self._fields))


class ToolBook:
    """What is known of the tools that one caller sees."""

    def __init__(self, server: str, outputs: _Outputs) -> None:
        """Know nothing yet. See `ToolBooks`."""
        self._server = server
        self._outputs = outputs
        self._known: dict[str, Known] = {}
        self._sought: set[str] = set()
        self._seeking: asyncio.Task[None] | None = None
        self._resting = 0.0

    def __repr__(self) -> str:
        return f"<ToolBook of {len(self._known)} tools>"

    def learn(self, listing: Listing[Tool]) -> Listing[Tool]:
        """Take a complete list in; return what of it may be used."""
        listing[:], self._known = usable(listing)
        self._sought.clear()
        return listing

    def mirrored(self, name: str, arguments: msgspec.Raw) -> dict[str, str]:
        """Return the arguments that travel as header fields, too (2026-07-28, Custom Headers from Tool Parameters)."""
        known = self._known.get(name)
        if known is None or not known.headers:
            return {}
        given = msgspec.json.decode(arguments)
        values = ((header.field, header_value(header.value_in(given))) for header in known.headers)
        return {field: value for field, value in values if value is not None}

    def idempotent(self, name: str) -> bool:
        """Tell whether a tool says of itself that it may be called twice; untrusted."""
        known = self._known.get(name)
        return known is not None and known.idempotent

    async def result(
        self,
        name: str,
        result: CallToolResult,
        listed: Callable[[], Awaitable[object]],
        seconds: float,
    ) -> ToolResult:
        """Return a tool's result with its data.

        What that is does not depend on whether somebody has listed the tools before: they are listed for it, once.
        "Clients SHOULD validate structured results against this schema." (2025-06-18, Tools, Output Schema.) A result
        that says it is an error need not fit, and its data is plain JSON.

        Args:
            name: The tool.
            result: What it returned.
            listed: Lists the tools, and has them learnt.
            seconds: What is left of the call's time: the result is here, and is not kept back for longer.

        Raises:
            ProtocolViolation: It does not fit; the text names the place and never the value.
        """
        if result.is_error or (name in self._known and not self._known[name].output):
            return ToolResult(result)
        if name not in self._known and not isinstance(result.structured_content, msgspec.UnsetType):
            await self._seek(name, listed, seconds)
        known = self._known.get(name)
        if known is None or not known.output:
            return ToolResult(result)
        output = await self._outputs.of(known.output)
        if output.validator is not None:
            try:
                self._check(name, result, output.validator)
            except ProtocolViolation as error:
                raise named(error, self._server, asked("tools/call", name)) from None
        return ToolResult(result, output.read)

    async def _seek(self, name: str, listed: Callable[[], Awaitable[Any]], seconds: float) -> None:
        """List the tools for one that is not known: once for all who wait, and not again for one that is in no list.

        Where that fails it is not tried again for a while: each call would wait for it.
        """
        if name in self._sought or self._resting > asyncio.get_running_loop().time():
            return
        seeking = self._seeking
        if seeking is None:
            seeking = self._seeking = asyncio.create_task(self._listed(listed), name="dovetail: listing for a result")
        done, _ = await asyncio.wait({seeking}, timeout=max(0.0, seconds))
        if not done:
            _tell(name, "it takes too long to list the tools")
        elif not self._resting:
            self._sought.add(name)

    async def _listed(self, listed: Callable[[], Awaitable[Any]]) -> None:
        try:
            await listed()
            self._resting = 0.0
        except DovetailError as error:  # the tool was called, so its result is not lost for this
            self._resting = asyncio.get_running_loop().time() + _REST_SECONDS
            _tell("", str(error))
        finally:
            self._seeking = None

    async def aclose(self) -> None:
        """Give up a listing that nobody waits for any more."""
        seeking, self._seeking = self._seeking, None
        if seeking is not None:
            seeking.cancel()
            await asyncio.gather(seeking, return_exceptions=True)

    def _check(self, name: str, result: CallToolResult, validator: Validator) -> None:
        what = "the structured content"
        if isinstance(result.structured_content, msgspec.UnsetType):
            raise ProtocolViolation(f"{what} is missing, although the tool has an output schema")
        try:
            validator.check(msgspec.json.decode(result.structured_content))
        except InvalidArguments as error:
            raise ProtocolViolation(f"{what} does not fit the output schema: {error.message}") from None


def _tell(name: str, why: str) -> None:
    log.warning("tools/call %s: the output schema is not known: %s", quote(name, 64), why)
