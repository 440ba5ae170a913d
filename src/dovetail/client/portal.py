"""The client without `async`, for scripts and notebooks: a loop in a thread of its own, and each call made in it.

Works from any thread, also where another loop runs (a notebook). Ctrl-C cancels the call under way, on the wire, too.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from dovetail.client.client import Client
from dovetail.client.listening import Change, Changes
from dovetail.client.listings import Listing
from dovetail.client.options import CallOptions, ClientOptions
from dovetail.client.results import ToolResult
from dovetail.errors import Disconnected, DovetailError
from dovetail.wire import (
    Completion,
    GetPromptResult,
    Prompt,
    PromptReference,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    Tool,
)

if TYPE_CHECKING:
    from dovetail.core import ServerPeer

T = TypeVar("T")


class SyncClient:
    """A `Client` whose calls are plain ones; see there for what each means and raises.

    Example:
        with Client.connect_sync("server.py") as client:
            print(client.call_tool("add", {"a": 1, "b": 2}).data)
    """

    def __init__(self, target: Any, **options: Unpack[ClientOptions]) -> None:
        """Open a client; see `Client.connect`."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dovetail: client", daemon=True)
        self._thread.start()
        try:
            self._client = self._run(self._made(target, options))
        except BaseException:
            self._stop()
            raise

    def __repr__(self) -> str:
        return f"<Sync{repr(self._client)[1:]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it. Idempotent."""
        if self._loop.is_closed():
            return
        try:
            self._run(self._client.aclose())
        finally:
            self._stop()

    @property
    def server(self) -> "ServerPeer":
        """See `Client.server`."""
        return self._client.server

    def list_tools(self, **options: Unpack[CallOptions]) -> Listing[Tool]:
        """See `Client.list_tools`."""
        return self._run(self._client.list_tools(**options))

    def call_tool(
        self, name: str, arguments: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]
    ) -> ToolResult:
        """See `Client.call_tool`."""
        return self._run(self._client.call_tool(name, arguments, **options))

    def list_resources(self, **options: Unpack[CallOptions]) -> Listing[Resource]:
        """See `Client.list_resources`."""
        return self._run(self._client.list_resources(**options))

    def list_resource_templates(self, **options: Unpack[CallOptions]) -> Listing[ResourceTemplate]:
        """See `Client.list_resource_templates`."""
        return self._run(self._client.list_resource_templates(**options))

    def read_resource(self, uri: str, **options: Unpack[CallOptions]) -> ReadResourceResult:
        """See `Client.read_resource`."""
        return self._run(self._client.read_resource(uri, **options))

    def read_resources(
        self, uris: Iterable[str], **options: Unpack[CallOptions]
    ) -> dict[str, ReadResourceResult | DovetailError]:
        """See `Client.read_resources`."""
        return self._run(self._client.read_resources(uris, **options))

    def list_prompts(self, **options: Unpack[CallOptions]) -> Listing[Prompt]:
        """See `Client.list_prompts`."""
        return self._run(self._client.list_prompts(**options))

    def get_prompt(
        self, name: str, arguments: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> GetPromptResult:
        """See `Client.get_prompt`."""
        return self._run(self._client.get_prompt(name, arguments, **options))

    def complete(
        self,
        of: PromptReference | ResourceTemplateReference,
        argument: str,
        value: str = "",
        context: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Completion:
        """See `Client.complete`."""
        return self._run(self._client.complete(of, argument, value, context, **options))

    def ping(self, **options: Unpack[CallOptions]) -> None:
        """See `Client.ping`."""
        self._run(self._client.ping(**options))

    def request(self, method: str, params: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]) -> Any:
        """See `Client.request`."""
        return self._run(self._client.request(method, params, **options))

    @contextlib.contextmanager
    def listen(
        self, *, tools: bool = False, prompts: bool = False, resources: bool | Iterable[str] = False
    ) -> Iterator[Iterator[Change]]:
        """See `Client.listen`: a context manager, and inside it an iterator."""
        changes = self._run(self._entered(tools, prompts, resources))
        try:
            yield self._each(changes)
        finally:
            self._run(changes.__aexit__(None, None, None))

    def _each(self, changes: Changes) -> Iterator[Change]:
        while True:
            yield self._run(changes.__anext__())

    async def _entered(self, tools: bool, prompts: bool, resources: bool | Iterable[str]) -> Changes:
        return await self._client.listen(tools=tools, prompts=prompts, resources=resources).__aenter__()

    async def _made(self, target: Any, options: ClientOptions) -> Client:
        return await Client(target, **options).connect()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise Disconnected("The client was closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
