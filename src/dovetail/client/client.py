"""`Client`: one server, any revision, any transport; every call typed, bounded in time, and with one tree of errors.

The face alone: importing it costs little, so nothing here may import asyncio. What works behind it is `Conversation`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import msgspec

from dovetail.client.link import NOTHING, said
from dovetail.client.listings import PROMPTS, RESOURCES, TEMPLATES, TOOLS, Listing
from dovetail.client.options import (
    CLIENT_OPTIONS,
    CallOptions,
    ClientOptions,
    check_bounds,
    check_options,
    listing_options,
)
from dovetail.client.results import ToolResult
from dovetail.client.target import target_of
from dovetail.errors import HEADER_MISMATCH, DefinitionError, Disconnected, DovetailError, PeerError
from dovetail.revisions import NEWEST, Revision, revision_for
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
    LoggingLevel,
    Prompt,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    Tool,
)

if TYPE_CHECKING:
    from dovetail.client.conversation import Conversation
    from dovetail.client.listening import Changes
    from dovetail.client.portal import SyncClient
    from dovetail.core import ServerPeer

T = TypeVar("T")


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
            DefinitionError: A target or an option that means nothing, or a revision that there is not.
        """
        check_options("Client", CLIENT_OPTIONS, options)
        check_bounds("Client", options)
        self._options = options
        self.target = target_of(target, options.get("env"), options.get("cwd"))
        for version in (options.get("revision"), options.get("minimum")):
            if version is not None and revision_for(version) is None:
                raise DefinitionError(f"There is no protocol revision {version!r}; the newest is {NEWEST.version}")

    def __repr__(self) -> str:
        return f"<Client of {self.target}: {self._conversation.connection!r}>"

    @cached_property
    def _conversation(self) -> "Conversation":
        from dovetail.client.conversation import Conversation

        return Conversation(self.target, self._options)

    # Its life.

    async def connect(self) -> Self:
        """Open the client; see `aclose`.

        Raises:
            NoCommonRevision: No revision is spoken by both sides and allowed here.
            Timeout: It did not open in time.
            Disconnected: There is no server, or it ended.
            AuthRequired: It wants credentials that there are not.
        """
        await self._conversation.connection.acquire()
        return self

    async def aclose(self) -> None:
        """Close it, if this is the last `connect` that is closed. Closing it too often does nothing."""
        await self._conversation.release()

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
        peer = self._conversation.connection.peer
        if peer is None:
            raise Disconnected(f"{self.target}: the client is not open")
        return peer

    # Tools.

    async def list_tools(self, **options: Unpack[CallOptions]) -> Listing[Tool]:
        """Return all tools, however many pages; those with invalid `x-mcp-header` are left out, with a warning."""
        conversation = self._conversation
        return conversation.tools.of(options).learn(await conversation.requests.list(TOOLS, options))

    async def call_tool(
        self, name: str, arguments: Mapping[str, Any] | msgspec.Raw | None = None, **options: Unpack[CallOptions]
    ) -> ToolResult:
        """Call a tool. A tool that fails returns a result with `is_error`; see `ToolResult`.

        When a tool that is not known yet returns structured content, the tools are listed, to rebuild its data.

        Args:
            name: The tool.
            arguments: Its arguments; what `msgspec` can encode, or the JSON itself.
            options: See `CallOptions`.

        Raises:
            PeerError: There is no such tool, or the server refused.
            ProtocolViolation: The structured content does not fit the tool's output schema.
        """
        try:
            raw = msgspec.Raw(msgspec.json.encode({} if arguments is None else arguments))
        except (TypeError, ValueError, RecursionError) as error:
            raise DefinitionError(f"call_tool {name}: the arguments are no JSON: {error}") from None
        conversation = self._conversation
        left = conversation.requests.time_left(options)
        revision = await conversation.requests.revision(options)
        params = said(CallToolRequestParams(name=name, arguments=raw), revision)

        def call(headers: Mapping[str, str]) -> Awaitable[CallToolResult]:
            return conversation.requests.typed("tools/call", params, CallToolResult, options, name, headers)

        result = await self._mirroring(name, raw, revision, options, call)
        return await conversation.tools.of(options).result(
            name, result, lambda: self.list_tools(**listing_options(options)), left()
        )

    async def _mirroring(
        self,
        name: str,
        arguments: msgspec.Raw,
        revision: Revision,
        options: CallOptions,
        call: Callable[[Mapping[str, str]], Awaitable[T]],
    ) -> T:
        """Call a tool with the header fields that it wants; list the tools and call again if they were others."""
        conversation = self._conversation
        if not conversation.mirrors(revision):
            return await call(NOTHING)
        tools = conversation.tools.of(options)
        try:
            return await call(tools.mirrored(name, arguments))
        except PeerError as error:
            # "the client SHOULD refresh its tool list and retry" (2026-07-28, Streamable HTTP, Client Behavior):
            # a call that was refused for its headers has not begun. Where there are no such headers, the code is the
            # server's own, and says nothing of that kind.
            if error.code != HEADER_MISMATCH:
                raise
        await self.list_tools(**listing_options(options))
        return await call(tools.mirrored(name, arguments))

    # Resources.

    async def list_resources(self, **options: Unpack[CallOptions]) -> Listing[Resource]:
        """Return all resources, however many pages."""
        return await self._conversation.requests.list(RESOURCES, options)

    async def list_resource_templates(self, **options: Unpack[CallOptions]) -> Listing[ResourceTemplate]:
        """Return all resource templates, however many pages."""
        return await self._conversation.requests.list(TEMPLATES, options)

    async def read_resource(self, uri: str, **options: Unpack[CallOptions]) -> ReadResourceResult:
        """Read a resource."""
        params = msgspec.json.encode(ReadResourceRequestParams(uri=uri))
        return await self._conversation.requests.typed("resources/read", params, ReadResourceResult, options, uri)

    async def read_resources(
        self, uris: Iterable[str], **options: Unpack[CallOptions]
    ) -> dict[str, ReadResourceResult | DovetailError]:
        """Read many resources, some at a time; by URI, the result or the error. A single URI is one of them."""
        from dovetail.client.requests import several

        async def one(uri: str) -> ReadResourceResult | DovetailError:
            try:
                return await self.read_resource(uri, **options)
            except DovetailError as error:
                return error

        return await several([uris] if isinstance(uris, str) else uris, one)

    # Prompts and completion.

    async def list_prompts(self, **options: Unpack[CallOptions]) -> Listing[Prompt]:
        """Return all prompts, however many pages."""
        return await self._conversation.requests.list(PROMPTS, options)

    async def get_prompt(
        self, name: str, arguments: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> GetPromptResult:
        """Return a prompt's messages."""
        params = msgspec.json.encode(
            GetPromptRequestParams(name=name, arguments=None if arguments is None else dict(arguments))
        )
        return await self._conversation.requests.typed("prompts/get", params, GetPromptResult, options, name)

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
        revision = await self._conversation.requests.revision(options)
        params = CompleteRequestParams(
            ref=of,
            argument=CompletionArgument(name=argument, value=value),
            context=None if context is None else CompletionContext(arguments=dict(context)),
        )
        raw = said(params, revision)
        return (await self._conversation.requests.typed("completion/complete", raw, CompleteResult, options)).completion

    # The rest.

    async def ping(self, **options: Unpack[CallOptions]) -> None:
        """Ask for a sign of life: `ping`, or `server/discover` where there is no ping any more."""
        revision = await self._conversation.requests.revision(options)
        await self.request("ping" if revision.has("ping") else "server/discover", **options)

    async def set_log_level(self, level: LoggingLevel, **options: Unpack[CallOptions]) -> None:
        """Say which log messages are wanted, from now on."""
        await self._conversation.set_level(level, options)

    async def roots_changed(self) -> None:
        """Tell the server that the roots are other ones now (until 2025-11-25; later it asks when it wants to know)."""
        await self._conversation.requests.tell("notifications/roots/list_changed")

    def listen(
        self, *, tools: bool = False, prompts: bool = False, resources: bool | Iterable[str] = False
    ) -> "Changes":
        """Hear of changes: `async with client.listen(tools=True) as changes: async for change in changes: ...`.

        Args:
            tools: The list of tools.
            prompts: The list of prompts.
            resources: The list of resources; or the URIs of those whose contents are of interest.
        """
        from dovetail.client.listening import wanted

        return self._conversation.listen(wanted(tools, prompts, resources))

    async def request(
        self, method: str, params: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]
    ) -> Any:
        """Make any request, also of an extension, and return its result as plain JSON.

        A round's questions are returned and not answered: who drives the rounds by hand sends `inputResponses` and
        `requestState` in the parameters of the next one.
        """
        given = dict(params or {})
        meta = given.pop("_meta", None)
        if meta:
            options["meta"] = {**meta, **options.get("meta", {})}
        field = METHODS[method].name_field if method in METHODS else None
        name = given.get(field) if field is not None else None
        encoded, requests = msgspec.json.encode(given), self._conversation.requests

        def call(headers: Mapping[str, str]) -> Awaitable[bytes]:
            return requests.raw(method, encoded, options, name, headers, by_hand=True)

        passed = given.get("arguments", {})
        if method != "tools/call" or not isinstance(name, str) or not isinstance(passed, Mapping):
            return msgspec.json.decode(await call(NOTHING))
        arguments = msgspec.Raw(msgspec.json.encode(passed))
        revision = await requests.revision(options)
        return msgspec.json.decode(await self._mirroring(name, arguments, revision, options, call))
