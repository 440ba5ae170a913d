"""`client.listen()`: a server's changes, on both eras, for as long as somebody wants to hear of them.

The stateless era has a request for that, whose answer is the stream; the stateful one sends changes unasked and wants a
subscription for each resource. A broken stream is opened again, and `Change("reopened")` says that anything may have
changed in between: list again. Equal changes that nobody took yet are one; so what waits is bounded.

Invariants: nobody waits for what cannot come, neither from a server that grants nothing nor after the block was left;
a stream that ends as soon as it is open is opened again less and less often.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec

from dovetail.client.failures import named
from dovetail.client.hearing import Hearing
from dovetail.client.link import Link, Outgoing, said
from dovetail.client.options import Retry
from dovetail.errors import (
    CAPABILITY_MISSING,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_REVISION,
    AuthRequired,
    Disconnected,
    DovetailError,
    HttpFailure,
    InvalidParams,
    NoCommonRevision,
    NotOffered,
    PeerError,
    ProtocolViolation,
    Timeout,
)
from dovetail.wire import (
    Notification,
    ResourceUpdatedNotificationParams,
    ServerCapabilities,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
    decode,
)

ChangeKind = Literal["tools", "prompts", "resources", "resource", "reopened"]

_LISTS: Final[dict[str, ChangeKind]] = {
    "notifications/tools/list_changed": "tools",
    "notifications/prompts/list_changed": "prompts",
    "notifications/resources/list_changed": "resources",
}
_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
_MOST: Final = 10_000
_FAREWELL: Final = 5.0
_NO_STREAM: Final = 405
""""[...] or else return HTTP 405 Method Not Allowed, indicating that the server does not offer an SSE stream"
(2025-11-25, Streamable HTTP, Listening for Messages from the Server)."""
_FINAL: Final = (AuthRequired, NoCommonRevision, NotOffered)
"""What another try does not mend."""
_REQUEST_ITSELF: Final = frozenset(
    {INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, HEADER_MISMATCH, CAPABILITY_MISSING, UNSUPPORTED_REVISION}
)
"""Codes that find fault with the request. Who stands before a server that restarts may say them for a while, too."""


class Change(msgspec.Struct, frozen=True):
    """Something changed.

    Attributes:
        kind: The list that did: `tools`, `prompts` or `resources`; `resource`: the contents of one; `reopened`: the
            stream was broken, and anything may have changed meanwhile.
        uri: Of the resource; empty for a list.
    """

    kind: ChangeKind
    uri: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """What is listened to, or what a server grants of it.

    Attributes:
        tools: Changes of the list of tools.
        prompts: Changes of the list of prompts.
        resources: Changes of the list of resources.
        uris: Resources whose contents are of interest.
    """

    tools: bool = False
    prompts: bool = False
    resources: bool = False
    uris: frozenset[str] = frozenset()

    def covers(self, change: Change) -> bool:
        """Tell whether somebody wants to hear of it."""
        if change.kind == "resource":
            # "the uri MAY be a sub-resource of what was subscribed to" (Resources, Subscriptions)
            return any(change.uri == uri or change.uri.startswith(uri.rstrip("/") + "/") for uri in self.uris)
        return bool(getattr(self, change.kind))

    def granted(self, by: SubscriptionFilter) -> "Wanted":
        """Return what of it a server of the stateless era agreed to."""
        return Wanted(
            tools=self.tools and by.tools_list_changed is True,
            prompts=self.prompts and by.prompts_list_changed is True,
            resources=self.resources and by.resources_list_changed is True,
            uris=frozenset(by.resource_subscriptions or ()) if self.uris else frozenset(),
        )

    def declared(self, by: ServerCapabilities) -> "Wanted":
        """Return what of it a server of the stateful era declares; what it let us subscribe to stands for itself."""
        return Wanted(
            tools=self.tools and by.tools is not None and by.tools.list_changed is True,
            prompts=self.prompts and by.prompts is not None and by.prompts.list_changed is True,
            resources=self.resources and by.resources is not None and by.resources.list_changed is True,
            uris=self.uris,
        )

    def filter(self) -> SubscriptionFilter:
        """Return it as the stateless era says it."""
        return SubscriptionFilter(
            tools_list_changed=self.tools or None,
            prompts_list_changed=self.prompts or None,
            resources_list_changed=self.resources or None,
            resource_subscriptions=sorted(self.uris) or None,
        )


def wanted(tools: bool, prompts: bool, resources: bool | Iterable[str]) -> Wanted:
    """Return what the arguments of `listen` mean."""
    if isinstance(resources, bool):
        return Wanted(tools, prompts, resources)
    uris = frozenset([resources] if isinstance(resources, str) else resources)
    return Wanted(tools, prompts, False, uris)


class Changes:
    """The changes of one `listen()`: an async context manager, and inside it an async iterator of `Change`.

    Attributes:
        granted: What of the wanted the server agreed to tell, since the stream was opened last. In the stateful era it
            is what the server declares; some declare nothing and tell all the same, and are heard.
    """

    def __init__(
        self,
        want: Wanted,
        link: Callable[[], Awaitable[Link]],
        hearing: Hearing,
        retry: Retry,
        seconds: float,
        held: Callable[[], bool],
        server: str,
    ) -> None:
        """Listen to what is wanted.

        Args:
            want: What that is.
            link: Returns the link; opens it again when it was lost.
            hearing: Where the server's messages go.
            retry: How long to wait before a broken stream is opened again.
            seconds: How long to wait for the server's first word, once the link is open.
            held: Tells whether the client is still open: nothing is opened again for one that was closed.
            server: Its name, for errors.
        """
        self._held = held
        self._server = server
        self._want = want
        self._link = link
        self._hearing = hearing
        self._retry = retry
        self._seconds = seconds
        self.granted = Wanted()
        self._pending: dict[Change, None] = {}
        self._wake = asyncio.Event()
        self._ready: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: DovetailError | None = None
        self._since: float | None = None

    def __repr__(self) -> str:
        return f"<Changes of {self.granted!r}, {len(self._pending)} waiting>"

    async def __aenter__(self) -> Self:
        self._ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name="dovetail: listening")
        try:
            await self._ready  # opening the link has its own time, and so has what comes then
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        self._wake.set()  # who iterates in another task
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        """Return the next change.

        Raises:
            DovetailError: Listening failed for good.
        """
        while not self._pending:
            if self._failure is not None:
                raise self._failure
            if self._task is None:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        change = next(iter(self._pending))
        del self._pending[change]
        return change

    async def _run(self) -> None:
        attempt = refused = 0
        loop = asyncio.get_running_loop()
        while True:
            self._since = None
            try:
                await self._once()
                if not self._held():
                    raise Disconnected("The client was closed")
            except DovetailError as error:
                refused = refused + 1 if isinstance(error, PeerError) and self._since is None else 0
                if self._ends(error, refused):
                    opened = self._ready is not None and self._ready.done()
                    self._fail(Disconnected("The client was closed") if opened and not self._held() else error)
                    return
            # A stream that lived longer than the pause that comes next was of use; one that did not is no success.
            lived = 0.0 if self._since is None else loop.time() - self._since
            attempt = 1 if lived > self._retry.wait(attempt + 1, 1.0) else attempt + 1
            await asyncio.sleep(self._retry.wait(attempt, random.random()))  # noqa: S311

    def _ends(self, error: DovetailError, refused: int) -> bool:
        """Tell whether a failure is the end, or only of this stream. `refused`: how often in a row it was one."""
        if isinstance(error, _FINAL) or not self._held() or (self._ready is not None and not self._ready.done()):
            return True
        return isinstance(error, PeerError) and error.code in _REQUEST_ITSELF and refused >= self._retry.attempts

    async def _once(self) -> None:
        """Hold one stream, as long as it is there."""
        link = await self._link()
        try:
            async with asyncio.timeout(self._seconds) as limit:
                hold = self._stateless if link.peer.revision.stateless else self._stateful
                await hold(link, lambda: limit.reschedule(None))
        except TimeoutError:
            raise self._unacknowledged() from None

    async def _stateless(self, link: Link, unbounded: Callable[[], None]) -> None:
        """Hold the stream until the server ends it (2026-07-28, Subscriptions)."""
        granted: asyncio.Future[Wanted] = asyncio.get_running_loop().create_future()

        def hear(notification: Notification) -> None:
            if notification.method != _ACKNOWLEDGED:
                self._hearing.changed(notification)
                self._hear(notification)
            elif not granted.done():
                try:
                    self._acknowledged(notification)
                except DovetailError as error:
                    granted.set_exception(error)
                else:
                    granted.set_result(self.granted)

        params = said(SubscriptionsListenRequestParams(notifications=self._want.filter()), link.peer.revision)
        request = asyncio.ensure_future(
            link.request(Outgoing(method="subscriptions/listen", params=params, on_notice=hear))
        )
        try:
            either: set[asyncio.Future[Any]] = {request, granted}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if granted.done():
                granted.result()
                unbounded()
            await request
        finally:
            granted.cancel()
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)

    def _acknowledged(self, notification: Notification) -> None:
        """Take what the server grants.

        "The client SHOULD check the acknowledged filter against what it requested" (2026-07-28, Subscriptions).
        """
        try:
            told = decode(notification.params or b"{}", SubscriptionsAcknowledgedNotificationParams)
        except InvalidParams as error:
            raise ProtocolViolation(f"listen: the server's acknowledgement cannot be read: {error.message}") from None
        granted = self._want.granted(told.notifications)
        if granted == Wanted() != self._want:
            raise NotOffered("listen: the server grants nothing of what is wanted, so nothing could ever be heard")
        self._opened(granted)

    async def _stateful(self, link: Link, unbounded: Callable[[], None]) -> None:
        """Subscribe, and stay until the link is lost (2025-11-25, Resources, Subscriptions)."""
        revision = link.peer.revision
        self._hearing.listeners[self._hear] = frozenset(self._want.uris)
        try:
            try:
                await link.hearing()
            except HttpFailure as error:
                if error.status != _NO_STREAM:
                    raise
                raise NotOffered(f"listen: the server offers no stream on which it could tell: {error}") from None
            async with self._hearing.turn(link):
                for uri in sorted(self._want.uris):
                    params = said(SubscribeRequestParams(uri=uri), revision)
                    await link.request(Outgoing(method="resources/subscribe", params=params))
            # Not checked: servers that declare nothing of this tell all the same, such as those of the Python SDK.
            self._opened(self._want.declared(link.peer.capabilities))
            unbounded()
            await link.ended()
        finally:
            self._hearing.listeners.pop(self._hear, None)
            with contextlib.suppress(DovetailError, TimeoutError):
                await asyncio.wait_for(self._unsubscribe(link), _FAREWELL)

    async def _unsubscribe(self, link: Link) -> None:
        """End the subscriptions that nobody else has: a session has but one for each resource."""
        async with self._hearing.turn(link):
            for uri in sorted(self._want.uris):
                if link.lost is None and not self._hearing.wants(uri):
                    params = said(UnsubscribeRequestParams(uri=uri), link.peer.revision)
                    await link.request(Outgoing(method="resources/unsubscribe", params=params))

    def _hear(self, notification: Notification | None) -> None:
        if notification is None:
            self._put(Change("reopened"))
            return
        if notification.method == "notifications/resources/updated":
            try:
                uri = decode(notification.params or b"{}", ResourceUpdatedNotificationParams).uri
            except InvalidParams:
                return
            change = Change("resource", uri)
        elif notification.method in _LISTS:
            change = Change(_LISTS[notification.method])
        else:
            return
        # "Unsolicited notifications outside the filter are dropped" (C-06)
        if self._want.covers(change):
            self._put(change)

    def _put(self, change: Change) -> None:
        if len(self._pending) >= _MOST:
            self._pending.clear()
            change = Change("reopened")  # too many to name: list again
        self._pending[change] = None
        self._wake.set()

    def _opened(self, granted: Wanted) -> None:
        """Take note of a stream that is open: the first one, or another one after a break."""
        self.granted = granted
        self._since = asyncio.get_running_loop().time()
        if self._ready is None or self._ready.done():
            self._hearing.changed(None)
            self._put(Change("reopened"))
        else:
            self._ready.set_result(None)

    def _unacknowledged(self) -> Timeout:
        return Timeout(f"listen: the server did not acknowledge within {self._seconds:g} s")

    def _fail(self, error: DovetailError) -> None:
        error = self._failure = named(error, self._server, "listen")
        self._wake.set()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
