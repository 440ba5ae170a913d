"""`client.listen()`: a server's changes, on both eras, for as long as somebody wants to hear of them.

The stateless era has a request for that, whose answer is the stream; the stateful one sends changes unasked and wants a
subscription for each resource. A broken stream is opened again, and `Change("reopened")` says that anything may have
changed in between: list again. Equal changes that nobody took yet are one; so what waits is bounded.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

from dovetail.client.hearing import Hearing
from dovetail.client.link import Link, Outgoing, said
from dovetail.client.options import Retry
from dovetail.errors import AuthRequired, DovetailError, InvalidParams, NoCommonRevision, PeerError
from dovetail.wire import (
    Notification,
    ResourceUpdatedNotificationParams,
    SubscribeRequestParams,
    SubscriptionFilter,
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
_FINAL: Final = (PeerError, AuthRequired, NoCommonRevision)
"""What another try does not mend."""


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
    """What is listened to."""

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
    """The changes of one `listen()`: an async context manager, and inside it an async iterator of `Change`."""

    def __init__(
        self,
        want: Wanted,
        link: Callable[[], Awaitable[Link]],
        hearing: Hearing,
        retry: Retry,
        seconds: float,
        held: Callable[[], bool],
    ) -> None:
        """Listen to what is wanted.

        Args:
            want: What that is.
            link: Returns the link; opens it again when it was lost.
            hearing: Where the server's messages go.
            retry: How long to wait before a broken stream is opened again.
            seconds: How long to wait for the server's first word.
            held: Tells whether the client is still open: nothing is opened again for one that was closed.
        """
        self._held = held
        self._want = want
        self._link = link
        self._hearing = hearing
        self._retry = retry
        self._seconds = seconds
        self._pending: dict[Change, None] = {}
        self._wake = asyncio.Event()
        self._ready: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: DovetailError | None = None

    def __repr__(self) -> str:
        return f"<Changes, {len(self._pending)} waiting>"

    async def __aenter__(self) -> Self:
        self._ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name="dovetail: listening")
        try:
            async with asyncio.timeout(self._seconds):
                await self._ready
        except BaseException as error:
            await self.__aexit__(None, None, None)
            if isinstance(error, TimeoutError):
                from dovetail.errors import Timeout

                raise Timeout(f"listen: the server did not acknowledge within {self._seconds:g} s") from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
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
        attempt = 0
        while True:
            began = attempt
            try:
                link = await self._link()
                opened = self._opened if began == 0 else self._reopened
                await (self._stateless if link.peer.revision.stateless else self._stateful)(link, opened)
                attempt = 1
            except (DovetailError, PeerError) as error:
                if (
                    isinstance(error, _FINAL)
                    or not self._held()
                    or (self._ready is not None and not self._ready.done())
                ):
                    self._fail(error)
                    return
                attempt += 1
            await asyncio.sleep(self._retry.wait(max(attempt, 1), random.random()))  # noqa: S311

    async def _stateless(self, link: Link, opened: Callable[[], None]) -> None:
        """Hold the stream until the server ends it (2026-07-28, Subscriptions)."""

        def hear(notification: Notification) -> None:
            if notification.method == _ACKNOWLEDGED:
                opened()
            else:
                self._hearing.changed(notification)
                self._hear(notification)

        params = said(SubscriptionsListenRequestParams(notifications=self._want.filter()), link.peer.revision)
        await link.request(Outgoing(method="subscriptions/listen", params=params, on_notice=hear))

    async def _stateful(self, link: Link, opened: Callable[[], None]) -> None:
        """Subscribe, and stay until the link is lost (2025-11-25, Resources, Subscriptions)."""
        revision = link.peer.revision
        self._hearing.listeners.add(self._hear)
        try:
            for uri in sorted(self._want.uris):
                params = said(SubscribeRequestParams(uri=uri), revision)
                await link.request(Outgoing(method="resources/subscribe", params=params))
            opened()
            await link.ended()
        finally:
            self._hearing.listeners.discard(self._hear)
            with contextlib.suppress(DovetailError, TimeoutError):
                await asyncio.wait_for(self._unsubscribe(link), _FAREWELL)

    async def _unsubscribe(self, link: Link) -> None:
        for uri in sorted(self._want.uris) if link.lost is None else ():
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

    def _opened(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    def _reopened(self) -> None:
        self._hearing.changed(None)
        self._opened()
        self._put(Change("reopened"))

    def _fail(self, error: DovetailError) -> None:
        self._failure = error
        self._wake.set()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
