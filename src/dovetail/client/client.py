"""`Client`: one server, any revision, any transport; every call typed, bounded in time, and with one tree of errors."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, TypeVar, Unpack

import msgspec
from msgspec.structs import replace

from dovetail.client.answering import Answering
from dovetail.client.calls import Call, Caller
from dovetail.client.connection import Connection
from dovetail.client.hearing import Hearing
from dovetail.client.link import NOTHING, Identity, Link, Outgoing, said
from dovetail.client.listening import Changes, wanted
from dovetail.client.listings import PROMPTS, RESOURCES, TEMPLATES, TOOLS, Kind, Known, Listing, complete_list, usable
from dovetail.client.options import ClientOptions, OnProgress, Retry
from dovetail.client.results import ToolResult
from dovetail.client.target import target_of
from dovetail.errors import (
    HEADER_MISMATCH,
    DefinitionError,
    Disconnected,
    DovetailError,
    InvalidParams,
    PeerError,
    ProtocolViolation,
)
from dovetail.revisions import NEWEST, OLDEST, Revision, revision_for
from dovetail.wire import (
    METHODS,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    GetPromptRequestParams,
    GetPromptResult,
    Implementation,
    LoggingLevel,
    Prompt,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    SetLevelRequestParams,
    Tool,
    decode,
    header_value,
)

if TYPE_CHECKING:
    from dovetail.client.portal import SyncClient
    from dovetail.core import ServerPeer

T = TypeVar("T")

_SECONDS: Final = 60.0
_LONGEST: Final = 600.0
_PARALLEL: Final = 16


class CallOptions(TypedDict, total=False):
    """Options of one call."""

    timeout: float | None
    """Seconds of silence after which it has failed; the client's, when not given."""
    on_progress: OnProgress
    """Hears of its progress."""
    meta: Mapping[str, Any]
    """What else stands in `_meta`, by key."""
    headers: Mapping[str, str]
    """Header fields of this request alone (HTTP)."""


class Client:
    """A client of one server. See the module, and `ClientOptions`.

    Open it with `async with`, or with `connect` and `aclose`, from any task and in any order; opened twice, it is to be
    closed twice.

    Example:
        async with Client("https://example.com/mcp") as client:
            result = await client.call_tool("add", {"a": 1, "b": 2})
    """

    def __init__(self, target: Any, **options: Unpack[ClientOptions]) -> None:
        """Point at a server; nothing is sent yet.

        Args:
            target: See `dovetail.client.target`.
            options: See `ClientOptions`.

        Raises:
            DefinitionError: A target that means nothing, or a revision that there is not.
        """
        self._options = options
        self.target = target_of(target, options.get("env"), options.get("cwd"))
        self._answering = Answering(options.get("on_elicit"), options.get("on_sample"), options.get("roots"))
        self._hearing = Hearing(self._answering, lambda: self._caller.timers, options.get("on_log"))
        self._retry = options.get("retry", Retry())
        self._connection = Connection(str(self.target), self._open, options.get("opening", 30.0))
        self._caller = Caller(
            self._connection.link,
            self._answering,
            rounds=options.get("rounds", 10),
            retry=self._retry,
            visited=self._hearing.visited,
            visit_seconds=options.get("visit", 60.0),
        )
        self._level = options.get("log_level", "info" if "on_log" in options else None)
        self._identity: Identity | None = None
        self._known: dict[str, Known] = {}
        self._types: dict[bytes, Any] = {}
        self._fixed = _revision(options.get("revision"))
        self._minimum = _revision(options.get("minimum")) or OLDEST

    def __repr__(self) -> str:
        return f"<Client of {self.target}: {self._connection!r}>"

    # Its life.

    async def connect(self) -> Self:
        """Open the client; see `aclose`.

        Raises:
            NoCommonRevision: No revision is spoken by both sides and allowed here.
            Timeout: It did not open in time.
            Disconnected: There is no server, or it ended.
            AuthRequired: It wants credentials that there are not.
        """
        await self._connection.acquire()
        return self

    async def aclose(self) -> None:
        """Close it, if this is the last `connect` that is closed. Closing it too often does nothing."""
        await self._connection.release()

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @staticmethod
    def connect_sync(target: Any, **options: Unpack[ClientOptions]) -> "SyncClient":
        """Return an open client whose calls are plain ones, for scripts and notebooks; see `SyncClient`."""
        from dovetail.client.portal import SyncClient

        return SyncClient(target, **options)

    @property
    def server(self) -> "ServerPeer":
        """The server as it described itself: `revision`, `capabilities`, `info`, `instructions`.

        Raises:
            Disconnected: The client is not open.
        """
        peer = self._connection.peer
        if peer is None:
            raise Disconnected(f"{self.target}: the client is not open")
        return peer

    # Tools.

    async def list_tools(self, **options: Unpack[CallOptions]) -> Listing[Tool]:
        """Return all tools, however many pages; those with invalid `x-mcp-header` are left out, with a warning."""
        listing = await self._list(TOOLS, options)
        listing[:], self._known = usable(listing)
        return listing

    async def call_tool(
        self, name: str, arguments: Mapping[str, Any] | msgspec.Raw | None = None, **options: Unpack[CallOptions]
    ) -> ToolResult:
        """Call a tool. A tool that fails returns a result with `is_error`; see `ToolResult`.

        Args:
            name: The tool.
            arguments: Its arguments; what `msgspec` can encode, or the JSON itself.
            options: See `CallOptions`.

        Raises:
            PeerError: There is no such tool, or the server refused.
            ProtocolViolation: The structured content does not fit the tool's output schema.
        """
        raw = msgspec.Raw(msgspec.json.encode({} if arguments is None else arguments))
        revision = (await self._connection.link()).peer.revision
        params = said(CallToolRequestParams(name=name, arguments=raw), revision)
        for attempt in range(2):
            known = self._known.get(name)
            headers = _mirrored(known, raw) if known is not None and revision.request_headers else {}
            try:
                result = await self._call("tools/call", params, CallToolResult, options, name, headers)
                break
            except PeerError as error:
                # "the client SHOULD refresh its tool list and retry" (2026-07-28, Streamable HTTP, Client Behavior):
                # a call that was refused for its headers has not begun.
                if error.code != HEADER_MISMATCH or attempt:
                    raise
                await self.list_tools()
        known = self._known.get(name)
        return ToolResult(result, self._type_of(known.output) if known is not None and known.output else None)

    # Resources.

    async def list_resources(self, **options: Unpack[CallOptions]) -> Listing[Resource]:
        """Return all resources, however many pages."""
        return await self._list(RESOURCES, options)

    async def list_resource_templates(self, **options: Unpack[CallOptions]) -> Listing[ResourceTemplate]:
        """Return all resource templates, however many pages."""
        return await self._list(TEMPLATES, options)

    async def read_resource(self, uri: str, **options: Unpack[CallOptions]) -> ReadResourceResult:
        """Read a resource."""
        params = msgspec.json.encode(ReadResourceRequestParams(uri=uri))
        return await self._call("resources/read", params, ReadResourceResult, options, uri)

    async def read_resources(
        self, uris: Iterable[str], **options: Unpack[CallOptions]
    ) -> dict[str, ReadResourceResult | DovetailError]:
        """Read many resources, some at a time; by URI, the result or the error."""
        room = asyncio.Semaphore(_PARALLEL)

        async def one(uri: str) -> ReadResourceResult | DovetailError:
            async with room:
                try:
                    return await self.read_resource(uri, **options)
                except DovetailError as error:
                    return error

        wanted = list(dict.fromkeys(uris))
        return dict(zip(wanted, await asyncio.gather(*map(one, wanted)), strict=True))

    # Prompts and completion.

    async def list_prompts(self, **options: Unpack[CallOptions]) -> Listing[Prompt]:
        """Return all prompts, however many pages."""
        return await self._list(PROMPTS, options)

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> GetPromptResult:
        """Return a prompt's messages."""
        params = msgspec.json.encode(
            GetPromptRequestParams(name=name, arguments=None if arguments is None else dict(arguments))
        )
        return await self._call("prompts/get", params, GetPromptResult, options, name)

    async def complete(
        self,
        of: PromptReference | ResourceTemplateReference,
        argument: str,
        value: str = "",
        context: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Completion:
        """Return what an argument could be.

        Args:
            of: The prompt or the resource template.
            argument: The argument's name.
            value: What has been typed of it.
            context: Arguments that stand already (2025-06-18 and later).
            options: See `CallOptions`.
        """
        revision = (await self._connection.link()).peer.revision
        params = CompleteRequestParams(
            ref=of,
            argument=CompletionArgument(name=argument, value=value),
            context=None if context is None else CompletionContext(arguments=dict(context)),
        )
        raw = said(params, revision)
        return (await self._call("completion/complete", raw, CompleteResult, options)).completion

    # The rest.

    async def ping(self, **options: Unpack[CallOptions]) -> None:
        """Ask for a sign of life: `ping`, or `server/discover` where there is no ping any more."""
        revision = (await self._connection.link()).peer.revision
        await self.request("ping" if revision.has("ping") else "server/discover", **options)

    async def set_log_level(self, level: LoggingLevel, **options: Unpack[CallOptions]) -> None:
        """Say which log messages are wanted, from now on."""
        link = await self._connection.link()
        self._level = level
        if link.peer.revision.has("logging/setLevel"):
            await self._raw("logging/setLevel", said(SetLevelRequestParams(level=level), link.peer.revision), options)
        elif self._identity is not None:
            self._identity = replace(self._identity, level=level)
            link.identify(self._identity)

    async def roots_changed(self) -> None:
        """Tell the server that the roots are other ones now (until 2025-11-25; later it asks when it wants to know)."""
        link = await self._connection.link()
        if link.peer.revision.has("notifications/roots/list_changed"):
            await link.notify("notifications/roots/list_changed")

    def listen(self, *, tools: bool = False, prompts: bool = False, resources: bool | Iterable[str] = False) -> Changes:
        """Hear of changes: `async with client.listen(tools=True) as changes: async for change in changes: ...`.

        Args:
            tools: The list of tools.
            prompts: The list of prompts.
            resources: The list of resources; or the URIs of those whose contents are of interest.
        """
        want = wanted(tools, prompts, resources)
        return Changes(want, self._connection.link, self._hearing, self._retry, self._options.get("opening", 30.0))

    async def request(
        self, method: str, params: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]
    ) -> Any:
        """Make any request, also of an extension, and return its result as plain JSON.

        A round's questions are returned and not answered: who drives the rounds by hand sends `inputResponses` and
        `requestState` in the parameters of the next one.
        """
        params = dict(params or {})
        name = METHODS[method].name_field if method in METHODS else None
        outgoing = self._outgoing(method, msgspec.json.encode(params), options, params.get(name) if name else None)
        return msgspec.json.decode(await self._made(outgoing, options, by_hand=True))

    # Below the typed calls.

    async def _list(self, kind: Kind, options: CallOptions) -> Listing[Any]:
        async def page(params: bytes) -> bytes:
            return await self._raw(kind.method, params, options)

        try:
            return await complete_list(kind, page)
        except InvalidParams as error:
            raise ProtocolViolation(f"{kind.method}: the server's list cannot be read: {error.message}") from None

    async def _call(
        self,
        method: str,
        params: bytes,
        kind: type[T],
        options: CallOptions,
        name: str | None = None,
        headers: Mapping[str, str] = NOTHING,
    ) -> T:
        raw = await self._raw(method, params, options, name, headers)
        try:
            return decode(raw, kind)
        except InvalidParams as error:
            raise ProtocolViolation(f"{method}: the server's result cannot be read: {error.message}") from None

    async def _raw(
        self,
        method: str,
        params: bytes,
        options: CallOptions,
        name: str | None = None,
        headers: Mapping[str, str] = NOTHING,
    ) -> bytes:
        return await self._made(self._outgoing(method, params, options, name, headers), options)

    async def _made(self, outgoing: Outgoing, options: CallOptions, *, by_hand: bool = False) -> bytes:
        known = self._known.get(outgoing.name or "") if outgoing.method == "tools/call" else None
        idempotent = known is not None and known.idempotent and self._retry.idempotent_tools
        call = Call(
            outgoing=outgoing,
            what=f"{outgoing.method} {outgoing.name}" if outgoing.name else outgoing.method,
            seconds=options["timeout"] if "timeout" in options else self._options.get("timeout", _SECONDS),
            most=self._options.get("longest", _LONGEST),
            repeatable=outgoing.method != "tools/call" or idempotent,
            by_hand=by_hand,
        )
        raw = await self._caller.call(call)
        if outgoing.on_progress is not None:
            await self._hearing.deliveries.flushed()
        return raw

    def _outgoing(
        self,
        method: str,
        params: bytes,
        options: CallOptions,
        name: str | None = None,
        headers: Mapping[str, str] = NOTHING,
    ) -> Outgoing:
        listener = options.get("on_progress", self._options.get("on_progress"))
        return Outgoing(
            method=method,
            params=params,
            meta=options.get("meta", NOTHING),
            name=name,
            headers={**options["headers"], **headers} if "headers" in options else headers,
            on_progress=None if listener is None else self._progress(listener),
        )

    def _progress(self, listener: OnProgress) -> Callable[[Any], None]:
        return lambda progress: self._hearing.deliveries.deliver(listener, progress)

    def _type_of(self, schema: bytes) -> Any:
        if schema not in self._types:
            from dovetail.client.rebuilding import type_of

            if len(self._types) > 1000:
                self._types.clear()
            self._types[schema] = type_of(schema)
        return self._types[schema]

    async def _open(self) -> Link:
        from dovetail.client.dialling import dial

        options = self._options
        info = Implementation(
            name=options.get("name", "dovetail"),
            version=options.get("version", "0.1.0"),
            title=options.get("title"),
            icons=options.get("icons"),
        )
        capabilities = self._answering.capabilities(options.get("extensions"), options.get("experimental"))
        level = self._level
        identity = self._identity = Identity(info, capabilities, level)
        link = await dial(self.target, options, identity, self._hearing, fixed=self._fixed, minimum=self._minimum)
        if (
            level is not None
            and link.peer.capabilities.logging is not None
            and link.peer.revision.has("logging/setLevel")
        ):
            await link.request(Outgoing(method="logging/setLevel", params=msgspec.json.encode({"level": level})))
        return link


def _revision(version: str | None) -> Revision | None:
    if version is None:
        return None
    revision = revision_for(version)
    if revision is None:
        raise DefinitionError(f"There is no protocol revision {version!r}; the newest is {NEWEST.version}")
    return revision


def _mirrored(known: Known, raw: msgspec.Raw) -> dict[str, str]:
    """Return the arguments that travel as header fields, too (2026-07-28, Custom Headers from Tool Parameters)."""
    if not known.headers:
        return {}
    arguments = msgspec.json.decode(raw)
    values = ((header.field, header_value(header.value_in(arguments))) for header in known.headers)
    return {field: value for field, value in values if value is not None}
