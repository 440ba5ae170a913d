"""The client without `async`, for scripts and notebooks: a loop in a thread of its own, and each call made in it.

Works from any thread, also where another loop runs (a notebook). Ctrl-C cancels the call under way, on the wire, too.

Invariant: no call waits for what cannot come. One from a callback that runs in the client's own thread would wait for
itself, and is refused; one that is under way while another thread closes the client ends with `Disconnected`. A client
that nobody has any more is closed, as far as that can be done without waiting for it.
"""

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack

from dovetail.client.client import Client
from dovetail.client.listening import Change, Changes, Wanted
from dovetail.client.listings import Listing
from dovetail.client.options import CallOptions, ClientOptions
from dovetail.client.results import ToolResult
from dovetail.errors import DefinitionError, Disconnected, DovetailError
from dovetail.wire import (
    Completion,
    GetPromptResult,
    LoggingLevel,
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

_PATIENCE: Final = 5.0
"""Seconds in which what is cancelled has to end; a handler that swallows its cancellation is left behind."""
_FAREWELL: Final = 10.0
"""Seconds in which a client that was forgotten has to be closed."""


class SyncClient:
    """A `Client` whose calls are plain ones; see there for what each means and raises.

    Example:
        with Client.connect_sync("server.py") as client:
            print(client.call_tool("add", {"a": 1, "b": 2}).data)
    """

    def __init__(self, target: Any, **options: Unpack[ClientOptions]) -> None:
        """Open a client; see `Client.connect`."""
        self._lock = threading.Lock()
        self._closing = threading.Lock()
        self._stopped = False
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_turn, args=(self._loop,), name="dovetail: client", daemon=True)
        self._thread.start()
        self._forgotten: weakref.finalize[[asyncio.AbstractEventLoop, Client, int], SyncClient] | None = None
        try:
            self._client = self._run(_made(target, options))
        except BaseException:
            self._stop()
            raise
        self._forgotten = weakref.finalize(self, _leave, self._loop, self._client, self._process)
        self._forgotten.atexit = False  # the program ends, and its threads with it

    def __repr__(self) -> str:
        return f"<Sync{repr(self._client)[1:]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it. Idempotent; what other threads wait for ends with `Disconnected`.

        Raises:
            DefinitionError: Called from a callback of its own.
        """
        self._check_thread()
        if os.getpid() != self._process:
            return  # after a fork it is the parent's to close
        with self._closing:  # who closes it, too, returns when it is closed
            if self._stopped:
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

    def set_log_level(self, level: LoggingLevel, **options: Unpack[CallOptions]) -> None:
        """See `Client.set_log_level`."""
        self._run(self._client.set_log_level(level, **options))

    def roots_changed(self) -> None:
        """See `Client.roots_changed`."""
        self._run(self._client.roots_changed())

    def request(self, method: str, params: Mapping[str, Any] | None = None, **options: Unpack[CallOptions]) -> Any:
        """See `Client.request`."""
        return self._run(self._client.request(method, params, **options))

    @contextlib.contextmanager
    def listen(
        self, *, tools: bool = False, prompts: bool = False, resources: bool | Iterable[str] = False
    ) -> Iterator["SyncChanges"]:
        """See `Client.listen`: a context manager, and inside it an iterator, which ends when the block is left."""
        changes = self._run(self._entered(tools, prompts, resources))
        try:
            yield SyncChanges(changes, self._run)
        finally:
            with contextlib.suppress(Disconnected):  # the client was closed, and the listening with it
                self._run(changes.__aexit__(None, None, None))

    async def _entered(self, tools: bool, prompts: bool, resources: bool | Iterable[str]) -> Changes:
        return await self._client.listen(tools=tools, prompts=prompts, resources=resources).__aenter__()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop, and wait for it.

        Raises:
            DefinitionError: The loop is who would wait.
            Disconnected: The client was closed, before or meanwhile.
        """
        try:
            self._check_thread()
            if os.getpid() != self._process:
                raise Disconnected("The client belongs to another process: after a fork, open one here")
            with self._lock:
                if self._stopped:
                    raise Disconnected("The client was closed")
                future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except DovetailError:
            work.close()
            raise
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise
        except CancelledError:
            raise Disconnected("The client was closed") from None

    def _check_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise DefinitionError(
                "A SyncClient was called from one of its own callbacks, which would wait for itself for ever; use the "
                "async Client there, or let another thread make the call"
            )

    def _stop(self) -> None:
        """End the loop, and before it whatever somebody still waits for."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        if self._forgotten is not None:
            self._forgotten.detach()
        asyncio.run_coroutine_threadsafe(_all_ended(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class SyncChanges:
    """`Changes` without `async`: an iterator of `Change`."""

    def __init__(self, changes: Changes, run: Callable[[Coroutine[Any, Any, Change]], Change]) -> None:
        self._changes = changes
        self._run = run

    def __repr__(self) -> str:
        return f"<Sync{repr(self._changes)[1:]}"

    @property
    def granted(self) -> Wanted:
        """See `Changes`."""
        return self._changes.granted

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Change:
        """Return the next change; wait for it."""
        try:
            return self._run(self._changes.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None


async def _made(target: Any, options: ClientOptions) -> Client:
    return await Client(target, **options).connect()


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop to its end, in a thread of its own: neither knows the client, so that it can be forgotten."""
    try:
        loop.run_forever()
    finally:
        loop.close()


def _leave(loop: asyncio.AbstractEventLoop, client: Client, process: int) -> None:
    """Have a client closed that nobody has any more, from whichever thread finds that out."""
    if process == os.getpid():
        asyncio.run_coroutine_threadsafe(_left(client), loop)


async def _left(client: Client) -> None:
    with contextlib.suppress(DovetailError, TimeoutError):
        async with asyncio.timeout(_FAREWELL):
            await client.aclose()
    await _all_ended()
    asyncio.get_running_loop().stop()


async def _all_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        done, _ = await asyncio.wait(others, timeout=_PATIENCE)
        for task in done:
            if not task.cancelled():
                task.exception()  # nobody is there to be told
