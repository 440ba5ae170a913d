"""A link over a channel: one conversation, in which answers are found by id.

Invariants (the table of what is under way is `core.Endpoint`): an answer reaches the request it belongs to, or nobody;
a late, repeated or unknown one is dropped and counted. At the end of the channel every request under way hears why.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from dovetail.client.broken_lines import answered_in
from dovetail.client.http_refusals import error_of
from dovetail.client.link import (
    CHANGES,
    Heard,
    Identity,
    Outgoing,
    Receiver,
    cancelled_id,
    params_of,
    progress_of,
    result_of,
    subscription_of,
    unsent,
)
from dovetail.client.questions import NOBODY_WAITS, TOO_MANY, Questions
from dovetail.core import Endpoint, Oversize, ServerPeer
from dovetail.errors import (
    DefinitionError,
    Disconnected,
    DovetailError,
    HttpFailure,
    InternalError,
    LimitExceeded,
    MethodNotFound,
    Refusal,
)
from dovetail.net import Channel, Returning
from dovetail.revisions import NEWEST_STATEFUL, Revision
from dovetail.wire import (
    Answer,
    Batch,
    Broken,
    Failure,
    Limits,
    Message,
    Notification,
    Request,
    RpcError,
    error_frame,
    notification_frame,
    parse,
    result_frame,
)

log = logging.getLogger("dovetail.client")

Waiter = asyncio.Future[Answer | Failure | Broken]
Reason = Callable[[], Awaitable[DovetailError]]

_SHOWN: Final = 120
_SOON: Final = 0.5
"""Seconds in which an end that was met in writing is met in reading, too; a call is to fail within one (C-02)."""
_TURN: Final = 64
"""Messages that are taken before others have their turn."""
_UNKNOWN: Final = 404
"""What servers of the 2024-11-05 transport say to a message of a connection that they do not know."""
_UNCANCELLED: Final = frozenset({"initialize"})
"""\"The initialize request MUST NOT be cancelled by clients" (2025-11-25, Cancellation)."""


class _Said(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw()
    method: str = ""


_said: Final = msgspec.json.Decoder(_Said).decode


async def _gone() -> DovetailError:
    return Disconnected("The server closed the connection")


class ChannelLink:
    """See the module. Begins to read with `start`."""

    def __init__(self, channel: Channel, receiver: Receiver, limits: Limits, reason: Reason = _gone) -> None:
        """Stand on a channel.

        Args:
            channel: Owned from here on.
            receiver: Hears what the server says and answers what it asks.
            limits: What one message may be.
            reason: Says why the channel ended, once it has.
        """
        self._channel = channel
        self._receiver = receiver
        self._limits = limits
        self._reason = reason
        self._endpoint: Endpoint[asyncio.Task[None], Waiter] = Endpoint()
        self._listeners: dict[bytes, Outgoing] = {}
        self._questions = Questions()
        self._reader: asyncio.Task[None] | None = None
        self._identity = b""
        self._revision = NEWEST_STATEFUL
        self._peer: ServerPeer | None = None
        self._ended = asyncio.Event()
        self._taken = 0
        self.lost: DovetailError | None = None
        if isinstance(channel, Returning):
            channel.returned = self._returned

    def __repr__(self) -> str:
        return f"<ChannelLink {self._channel!r}, {self._endpoint!r}>"

    @property
    def peer(self) -> ServerPeer:
        """See `Link.peer`."""
        if self._peer is None:
            raise Disconnected("The link is not open yet")
        return self._peer

    @property
    def dropped(self) -> int:
        """Answers that belonged to nobody."""
        return self._endpoint.dropped

    def start(self) -> None:
        """Begin to read."""
        self._reader = asyncio.create_task(self._read(), name="dovetail: reading from a server")

    def speak(self, revision: Revision, identity: Identity, peer: ServerPeer | None = None) -> None:
        """Say each later request as this revision does; with `peer`, the opening is over."""
        self._identity = identity.fragment(revision)
        self._revision = revision
        self._peer = peer

    def identify(self, identity: Identity) -> None:
        """See `Link.identify`."""
        self._identity = identity.fragment(self.peer.revision)

    async def request(self, outgoing: Outgoing) -> bytes:
        """See `Link.request`."""
        if self.lost is not None:
            raise unsent(self.lost)
        if outgoing.authorizer is not None and outgoing.principal is None:
            raise DefinitionError("auth: this transport has no credentials of one call; name its principal, too")
        waiter: Waiter = asyncio.get_running_loop().create_future()
        identifier, frame = self._endpoint.ask(outgoing.method, None, waiter)
        frame = frame[:-1] + b',"params":%b}' % params_of(outgoing, self._identity, identifier)
        self._listeners[identifier] = outgoing
        try:
            try:
                self._channel.send(frame)
            except Disconnected as error:
                raise unsent(error) from None
            await self._drained()
            return result_of(await waiter)
        except asyncio.CancelledError:
            self._cancel(identifier, outgoing.method)
            raise
        finally:
            self._questions.ended(identifier)
            self._endpoint.withdraw(identifier)
            self._listeners.pop(identifier, None)
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # told in other words, or to nobody: asyncio need not complain

    async def notify(self, method: str, params: bytes | None = None) -> None:
        """See `Link.notify`."""
        if self.lost is not None:
            raise self.lost
        self._channel.send(notification_frame(method, params))
        await self._drained()

    async def _drained(self) -> None:
        """Let the server read. One that no longer does has ended, most often, and whoever reads hears soon of what."""
        try:
            await self._channel.drain()
        except Disconnected as error:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _SOON)
            raise self.lost or error from None

    async def hearing(self) -> None:
        """See `Link.hearing`: all that it says comes over the one channel."""

    async def ended(self) -> None:
        """See `Link.ended`."""
        await self._ended.wait()

    async def retire(self) -> bool:
        """See `Link.retire`: all that was under way has ended with the link."""
        await self.aclose()
        return True

    async def aclose(self) -> None:
        """See `Link.aclose`."""
        reader, self._reader = self._reader, None
        if self.lost is None:
            self._lose(Disconnected("The client was closed"))
        await self._channel.aclose()
        if reader is not None and reader is not asyncio.current_task():
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def _cancel(self, identifier: bytes, method: str) -> None:
        # "When a party wants to cancel an in-progress request, it sends a notifications/cancelled notification"
        # (2025-11-25, Cancellation; 2026-07-28, the same on stdio)
        if method in _UNCANCELLED or self.lost is not None:
            return
        try:
            self._channel.send(notification_frame("notifications/cancelled", b'{"requestId":%b}' % identifier))
            for question in self._questions.given_up(identifier):
                if self._endpoint.finish(question) is not None:
                    self._channel.send(error_frame(question, InternalError(NOBODY_WAITS)))
        except Disconnected:
            pass  # who is gone has stopped already

    async def _read(self) -> None:
        try:
            while (data := await self._channel.receive()) is not None:
                if isinstance(data, Oversize):
                    self._too_large()
                else:
                    self._take(parse(data, self._limits), data)
                self._taken += 1
                if self._taken % _TURN == 0:
                    await self._rest()
        finally:
            if self.lost is None:
                self._lose(await self._reason())

    async def _rest(self) -> None:
        """Let others have their turn, and the server read: who sends requests and reads no answers is left."""
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                await self._channel.drain()
        except TimeoutError:
            self._lose(Disconnected("The server goes on sending, and reads nothing"))
            raise Disconnected("The server reads nothing") from None

    def _take(self, message: Message, line: bytes = b"") -> None:
        match message:
            case Failure(None) | Broken(_, _, None) if self._is_about_opening(line):
                pass
            case Answer(identifier) | Failure(identifier):
                if not self._answer(identifier, message) and not self._endpoint.asked(identifier or b""):
                    self._receiver.stray("an answer to nothing that was asked")
            case Notification():
                self._hear(message)
            case Request():
                self._serve(message)
            case Broken(_, refusal, question):
                meant = self._meant(line) if question is None else [question]
                answered = [self._answer(each, message) for each in meant]
                if not any(answered):
                    # What a program printed for people, most often: its first words say which program it is.
                    self._receiver.stray(f"{refusal.message}: {line[:_SHOWN].decode('utf-8', 'replace')}")
            case Batch(items):
                for item in items:
                    self._take(item)

    def _is_about_opening(self, line: bytes) -> bool:
        """Take an error that names no request as the answer to the one that a link is opened with, if it is alone.

        "If there was an error in detecting the id in the Request object [...], it MUST be Null" (JSON-RPC 2.0, section
        5): who cannot read the probe says so at once, and is not silent.
        """
        alone = self._peer is None and len(self._listeners) == 1
        error = error_of(line) if alone else None
        if error is None:
            return False
        return self._answer(next(iter(self._listeners)), Failure(None, RpcError(error.code, error.message, error.data)))

    def _meant(self, line: bytes) -> list[bytes]:
        """Return the requests under way that a line names which is no JSON to us: NaN, half a character, two at once.

        Python writes NaN unasked. Who waits for such an answer hears at once that it cannot be read.
        """
        return [each for each in dict.fromkeys(answered_in(line)) if each in self._listeners]

    def _answer(self, identifier: bytes | None, message: Answer | Failure | Broken) -> bool:
        waiter = self._endpoint.answered(identifier)
        if waiter is None or waiter.done():
            return False
        waiter.set_result(message)
        return True

    def _returned(self, message: bytes, error: DovetailError) -> bool:
        """Take back what the server did not take: the request that it was fails, and no other one does.

        Nothing says that it was not carried out all the same, so that only what changes nothing is sent again.
        """
        gone = self._peer is not None and isinstance(error, HttpFailure) and error.status == _UNKNOWN
        if gone:
            error = Disconnected("The server does not know the connection any more (HTTP status 404)")
        said = _said(message)
        waiter = self._endpoint.answered(bytes(said.id)) if said.method else None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        elif not said.method:
            log.warning("An answer did not reach the server: %s", error)
        return not gone

    def _too_large(self) -> None:
        """Which request it would have answered cannot be known: all hear of it, so that none waits for ever."""
        error = LimitExceeded(f"A message of the server exceeds {self._limits.line} bytes", limit="line")
        for identifier in list(self._listeners):
            if (waiter := self._endpoint.answered(identifier)) is not None and not waiter.done():
                waiter.set_exception(error)

    def _hear(self, notification: Notification) -> None:
        match notification.method:
            case "notifications/progress":
                if (progress := progress_of(notification)) is not None:
                    call = self._listeners.get(msgspec.json.encode(progress.progress_token))
                    if call is not None and call.on_progress is not None:
                        call.on_progress(progress)
            case "notifications/cancelled":
                self._cancelled(notification)
            case _:
                listener = self._subscriber(notification)
                if listener is not None:
                    listener(notification)
                elif self._peer is not None and self._peer.revision.stateless and notification.method in CHANGES:
                    # "Unsolicited notifications [...] MUST be ignored": they name no stream of ours (C-06).
                    self._receiver.stray(f"{notification.method}: it belongs to no stream of ours")
                else:
                    self._receiver.heard(notification)

    def _subscriber(self, notification: Notification) -> Heard | None:
        """Return who holds the stream that a notification names (2026-07-28, Subscriptions)."""
        if notification.params is None or b"/subscriptionId" not in notification.params:
            return None
        call = self._listeners.get(subscription_of(notification.params))
        return None if call is None else call.on_notice

    def _cancelled(self, notification: Notification) -> None:
        identifier = cancelled_id(notification)
        task = self._endpoint.finish(identifier) if identifier else None
        if task is not None:
            task.cancel()

    def _serve(self, request: Request) -> None:
        if self._peer is not None and self._peer.revision.stateless:
            # "servers MUST NOT send JSON-RPC requests" (2026-07-28, Transports): it is answered and never acted on.
            error = MethodNotFound("This revision has no requests of a server")
            self._channel.send(error_frame(request.id, error))
            self._receiver.stray(f"{request.method}: a request of the server, which this revision does not have")
            return
        if self._questions.full:
            self._channel.send(error_frame(request.id, InternalError(TOO_MANY)))
            return
        task = asyncio.create_task(self._serving(request))
        try:
            self._endpoint.begin(request.id, task)
            self._questions.note(request.id, task, self._listeners)
        except Refusal:
            task.cancel()  # the first one with this id goes on

    async def _serving(self, request: Request) -> None:
        try:
            answer = await self._receiver.asked(request.method, request.params, None, self._revision)
            frame = result_frame(request.id, answer)
        except Refusal as error:
            frame = error_frame(request.id, error)
        except asyncio.CancelledError:
            raise
        except Exception:
            frame = error_frame(request.id, InternalError("The client could not answer"))
        if self._endpoint.finish(request.id) is not None and self.lost is None:
            self._channel.send(frame)

    def _lose(self, reason: DovetailError) -> None:
        self.lost = reason
        self._ended.set()
        tasks, waiters = self._endpoint.close()
        for task in tasks:
            task.cancel()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(reason)
