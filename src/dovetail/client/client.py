"""`Client`: one server, any revision, any transport; every call typed, bounded in time, and with one tree of errors."""

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack

import msgspec
from msgspec.structs import replace

from dovetail.client.answering import Answering
from dovetail.client.calls import Caller
from dovetail.client.connection import Connection
from dovetail.client.hearing import Hearing
from dovetail.client.link import NOTHING, Identity, Link, Outgoing, said
from dovetail.client.listening import Changes, wanted
from dovetail.client.listings import PROMPTS, RESOURCES, TEMPLATES, TOOLS, Listing
from dovetail.client.options import CallOptions, ClientOptions, Retry
from dovetail.client.requests import Requests
from dovetail.client.results import ToolResult
from dovetail.client.target import Program, target_of
from dovetail.client.toolbook import ToolBook
from dovetail.errors import (
    HEADER_MISMATCH,
    DefinitionError,
    Disconnected,
    DovetailError,
    PeerError,
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
)

if TYPE_CHECKING:
    from dovetail.client.portal import SyncClient
    from dovetail.core import ServerPeer

T = TypeVar("T")

_PARALLEL: Final = 16


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
        starts = isinstance(self.target, Program)
        self._connection = Connection(str(self.target), self._open, options.get("opening", 30.0), starts=starts)
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
        self._tools = ToolBook()
        self._requests = Requests(self._caller, self._hearing, options, self._repeatable)
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
        return self._tools.learn(await self._requests.list(TOOLS, options))

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
            headers = self._tools.mirrored(name, raw) if revision.request_headers else NOTHING
            try:
                result = await self._requests.typed("tools/call", params, CallToolResult, options, name, headers)
                break
            except PeerError as error:
                # "the client SHOULD refresh its tool list and retry" (2026-07-28, Streamable HTTP, Client Behavior):
                # a call that was refused for its headers has not begun.
                if error.code != HEADER_MISMATCH or attempt:
                    raise
                await self.list_tools()
        return await self._tools.result(name, result)

    # Resources.

    async def list_resources(self, **options: Unpack[CallOptions]) -> Listing[Resource]:
        """Return all resources, however many pages."""
        return await self._requests.list(RESOURCES, options)

    async def list_resource_templates(self, **options: Unpack[CallOptions]) -> Listing[ResourceTemplate]:
        """Return all resource templates, however many pages."""
        return await self._requests.list(TEMPLATES, options)

    async def read_resource(self, uri: str, **options: Unpack[CallOptions]) -> ReadResourceResult:
        """Read a resource."""
        params = msgspec.json.encode(ReadResourceRequestParams(uri=uri))
        return await self._requests.typed("resources/read", params, ReadResourceResult, options, uri)

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
        return await self._requests.list(PROMPTS, options)

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> GetPromptResult:
        """Return a prompt's messages."""
        params = msgspec.json.encode(
            GetPromptRequestParams(name=name, arguments=None if arguments is None else dict(arguments))
        )
        return await self._requests.typed("prompts/get", params, GetPromptResult, options, name)

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
        return (await self._requests.typed("completion/complete", raw, CompleteResult, options)).completion

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
            await self._requests.raw(
                "logging/setLevel", said(SetLevelRequestParams(level=level), link.peer.revision), options
            )
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
        connection, seconds = self._connection, self._options.get("opening", 30.0)
        return Changes(want, connection.link, self._hearing, self._retry, seconds, lambda: connection.held)

    async def request(
        self, method: str, params: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]
    ) -> Any:
        """Make any request, also of an extension, and return its result as plain JSON.

        A round's questions are returned and not answered: who drives the rounds by hand sends `inputResponses` and
        `requestState` in the parameters of the next one.
        """
        given = dict(params or {})
        field = METHODS[method].name_field if method in METHODS else None
        name = given.get(field) if field is not None else None
        raw = await self._requests.raw(method, msgspec.json.encode(given), options, name, by_hand=True)
        return msgspec.json.decode(raw)

    def _repeatable(self, method: str, name: str | None) -> bool:
        """Tell what changes nothing, or says that it may be called twice and is believed (C-11)."""
        return method != "tools/call" or (self._retry.idempotent_tools and self._tools.idempotent(name or ""))

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
