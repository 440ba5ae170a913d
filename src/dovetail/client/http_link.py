"""A link over Streamable HTTP, of either era: every request is a POST with an exchange of its own.

Of the stateful revisions a session belongs to it: its id on every request, a GET stream for what the server says
unasked, resumption of a broken stream by event id, and DELETE at the end. The stateless revision has none of these:
headers repeat what intermediaries route by, and who closes the answer's stream cancels the request.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

import msgspec

from dovetail.client.http_exchange import Exchange, Poster
from dovetail.client.http_vigil import Vigil
from dovetail.client.link import (
    CHANGES,
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
from dovetail.client.verdicts import VERDICTS, origin_of
from dovetail.core import ServerPeer
from dovetail.errors import (
    HEADER_MISMATCH,
    INVALID_REQUEST,
    UNSUPPORTED_REVISION,
    Disconnected,
    DovetailError,
    HttpFailure,
    InternalError,
    PeerError,
    Refusal,
    SessionLost,
)
from dovetail.revisions import Revision
from dovetail.wire import (
    Broken,
    Limits,
    Notification,
    Request,
    encode_value,
    error_frame,
    notification_frame,
    request_frame,
    result_frame,
)

log = logging.getLogger("dovetail.client")

_UNCANCELLED: Final = frozenset({"initialize", "server/discover"})
_FAREWELL: Final = 5.0
_PATIENCE: Final = 5.0
"""Seconds in which handlers that are cancelled have to end when the link is closed."""
"""Seconds for what is said at parting: a cancellation, the end of the session."""
_MOST_REFUSED: Final = 10_000
"""Refused questions that wait to be told so; more of them are passed over."""
_HEARING: Final = 1.0
_OTHER_ERA: Final = (-32000, INVALID_REQUEST)
"""What servers of the stateful era say of a request without a session; to ask one of this era anew costs little."""


class HttpLink:
    """See the module."""

    def __init__(self, poster: Poster, receiver: Receiver, limits: Limits) -> None:
        """Stand on an endpoint.

        Args:
            poster: Sends to it.
            receiver: Hears what the server says and answers what it asks.
            limits: What one message may be.
        """
        self._poster = poster
        self._receiver = receiver
        self._limits = limits
        self._next = 0
        self._vigil = Vigil(self._sign)
        self._identity = b""
        self._revision: Revision | None = None
        self._peer: ServerPeer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: dict[bytes, asyncio.Task[None]] = {}
        self._questions = Questions()
        self._refused: deque[bytes] = deque()
        self._ended = asyncio.Event()
        self._settled = asyncio.Event()
        self._deaf: DovetailError | None = None
        self._under_way: set[bytes] = set()
        self._retirement: asyncio.Task[None] | None = None
        self._retiring = False
        self._doubted = False
        self._closed = False
        self.session = ""
        self.lost: DovetailError | None = None

    def __repr__(self) -> str:
        return f"<HttpLink to {self._poster.url.partition('?')[0]}{', with a session' if self.session else ''}>"

    @property
    def peer(self) -> ServerPeer:
        """See `Link.peer`."""
        if self._peer is None:
            raise Disconnected("The link is not open yet")
        return self._peer

    def speak(self, revision: Revision, identity: Identity, peer: ServerPeer | None = None) -> None:
        """Say each later request as this revision does; with `peer`, the opening is over."""
        self._identity = identity.fragment(revision)
        self._revision = revision
        self._peer = peer
        said = revision.stateless or (peer is not None and revision.version_header)
        self._poster.version = revision.version if said else ""
        self._poster.session = self.session

    async def listen(self) -> None:
        """Hold the stream of what the server says unasked, where the revision has one.

        Returns once it is open, so that a server that asks or tells something at once is heard; or is known not to be
        there; or after a second, since nothing else depends on it.
        """
        if not self.peer.revision.event_stream:
            return
        self._spawn(self._listen(self._settled.set))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEARING):
                await self._settled.wait()

    def identify(self, identity: Identity) -> None:
        """See `Link.identify`."""
        self._identity = identity.fragment(self.peer.revision)

    async def request(self, outgoing: Outgoing) -> bytes:
        """See `Link.request`."""
        if self.lost is not None:
            raise unsent(self.lost)
        self._next += 1
        identifier = b"%d" % self._next
        frame = request_frame(identifier, outgoing.method, params_of(outgoing, self._identity, identifier))
        # The stream of a subscription may be silent for ever; a call has its timer.
        vigil = None if outgoing.on_notice is None else self._vigil
        exchange = Exchange(self._poster, self._limits, self._revision, identifier, vigil)
        self._under_way.add(identifier)
        try:
            message = await exchange.run(
                frame,
                self._headers(outgoing),
                lambda item: self._hear(item, outgoing, identifier),
                outgoing.authorizer,
            )
        except asyncio.CancelledError:
            self._cancel(outgoing.method, identifier)
            raise
        except SessionLost as error:
            self._lose(error)
            raise
        except (PeerError, HttpFailure) as error:
            self._doubt(error)
            raise
        finally:
            self._questions.ended(identifier)
            self._under_way.discard(identifier)
            if exchange.lost is not None:
                self._lose(exchange.lost)
            if self._retiring and not self._under_way:
                self._retirement = asyncio.create_task(self.aclose())
        if outgoing.method == "initialize":
            self.session = exchange.session
        try:
            return result_of(message)
        except PeerError as error:
            if self._closed:  # the session was ended for it, which is what the server says
                raise Disconnected("The client was closed") from error
            self._doubt(error)
            raise

    def _doubt(self, error: DovetailError) -> None:
        """Let go of a server that was replaced by one of another era: the next call finds out which."""
        if self._peer is None:
            return
        code = error.code if isinstance(error, PeerError) else 0
        status = error.status if isinstance(error, HttpFailure) else 0
        if (
            code == UNSUPPORTED_REVISION
            or status in (400, 404, 405)
            or code in (_OTHER_ERA if self._stateless else (HEADER_MISMATCH,))
        ):
            if VERDICTS.doubt(origin_of(self._poster.url), stateless=self._stateless):
                self._doubted = True
                version = self._peer.revision.version
                self._lose(Disconnected(f"The server does not understand {version} any more: {error}"))

    async def notify(self, method: str, params: bytes | None = None) -> None:
        """See `Link.notify`."""
        if self.lost is not None:
            raise self.lost
        headers = {"mcp-method": method} if self._stateless else {}
        await self._poster.tell(notification_frame(method, params), headers)

    async def hearing(self) -> None:
        """See `Link.hearing`: a stream that was refused is asked for again; one that says nothing yet may be held."""
        if self._deaf is not None:
            self._deaf = None
            self._settled.clear()
            self._spawn(self._listen(self._settled.set))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEARING):
                await self._settled.wait()
        if self._deaf is not None:
            raise self._deaf

    async def ended(self) -> None:
        """See `Link.ended`."""
        await self._ended.wait()

    async def retire(self) -> bool:
        """See `Link.retire`: another request's answer may be on its way still."""
        self._retiring = True
        if not self._under_way:
            await self.aclose()
        return not self._under_way

    async def aclose(self) -> None:
        """See `Link.aclose`."""
        self._closed = True
        if self.lost is None or self._doubted:
            self._lose(Disconnected("The client was closed"))
            self._doubted = False
            if self.session:
                # "Clients that no longer need a particular session [...] SHOULD send an HTTP DELETE" (2025-11-25,
                # Session Management); a server that lets no client do that answers 405.
                await self._farewell(self._poster.end())
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)

    @property
    def _stateless(self) -> bool:
        return self._revision is not None and self._revision.stateless

    async def _sign(self) -> bytes:
        """Ask for a sign of life: there is no ping any more in the stateless era."""
        has_ping = self._revision is not None and self._revision.has("ping")
        return await self.request(Outgoing(method="ping" if has_ping else "server/discover"))

    def _headers(self, outgoing: Outgoing) -> Mapping[str, str]:
        if not self._stateless:
            return outgoing.headers
        headers = {**outgoing.headers, "mcp-method": outgoing.method}
        if outgoing.name is not None:
            headers["mcp-name"] = encode_value(outgoing.name)
        return headers

    def _hear(self, message: object, outgoing: Outgoing | None, identifier: bytes) -> None:
        """Take what came on a stream, other than the answer."""
        match message:
            case Notification():
                self._note(message, outgoing, identifier)
            case Request() if self._stateless:
                # "servers MUST NOT send JSON-RPC requests on the stream" (2026-07-28, Streamable HTTP): never acted on.
                self._receiver.stray(f"{message.method}: a request of the server, which this revision does not have")
            case Request():
                if message.id in self._serving:
                    return
                if self._questions.full:
                    self._refuse(message)
                    return
                task = self._serving[message.id] = self._spawn(self._serve(message, outgoing))
                self._questions.note(message.id, task, self._under_way if outgoing is None else (identifier,))
            case Broken(_, refusal):
                self._receiver.stray(refusal.message)
            case _:
                self._receiver.stray("an answer that nobody waits for")

    def _note(self, notification: Notification, outgoing: Outgoing | None, identifier: bytes) -> None:
        method = notification.method
        if method == "notifications/progress":
            progress = progress_of(notification)
            if outgoing is None or outgoing.on_progress is None or progress is None:
                return
            if msgspec.json.encode(progress.progress_token) == identifier:
                outgoing.on_progress(progress)
        elif method == "notifications/cancelled":
            self._withdrawn(notification)
        elif not self._stateless or method not in CHANGES:
            self._receiver.heard(notification)
        elif outgoing is None or outgoing.on_notice is None or subscription_of(notification.params) != identifier:
            self._receiver.stray(f"{method}: it belongs to no stream of ours")
        else:
            outgoing.on_notice(notification)

    async def _serve(self, request: Request, outgoing: Outgoing | None) -> None:
        assert self._revision is not None
        try:
            result = await self._receiver.asked(request.method, request.params, outgoing, self._revision)
            frame = result_frame(request.id, result)
        except Refusal as error:
            frame = error_frame(request.id, error)
        except Exception:
            frame = error_frame(request.id, InternalError("The client could not answer"))
        finally:
            self._serving.pop(request.id, None)
        try:
            await self._poster.tell(frame, {})
        except DovetailError as error:
            log.warning("An answer did not reach the server: %s", error)

    def _refuse(self, request: Request) -> None:
        """Say of one question after the other that it is too many; who takes no answers finds no end of patience."""
        if len(self._refused) >= _MOST_REFUSED:
            self._receiver.stray(f"{request.method}: more requests than are even refused")
            return
        self._refused.append(request.id)
        if len(self._refused) == 1:
            self._spawn(self._refusing())

    async def _refusing(self) -> None:
        while self._refused:
            await self._farewell(self._poster.tell(error_frame(self._refused[0], InternalError(TOO_MANY)), {}))
            self._refused.popleft()

    def _withdrawn(self, notification: Notification) -> None:
        if (task := self._serving.get(cancelled_id(notification))) is not None:
            task.cancel()

    def _cancel(self, method: str, identifier: bytes) -> None:
        # "Disconnection [...] To cancel, the client SHOULD explicitly send a notifications/cancelled" (2025-11-25,
        # Streamable HTTP); in the stateless era closing the stream is the cancellation, and is done.
        if self._stateless or method in _UNCANCELLED or self.lost is not None:
            return
        frame = notification_frame("notifications/cancelled", b'{"requestId":%b}' % identifier)
        self._spawn(self._farewell(self._poster.tell(frame, {})))
        for question in self._questions.given_up(identifier):
            refusal = error_frame(question, InternalError(NOBODY_WAITS))
            self._spawn(self._farewell(self._poster.tell(refusal, {})))

    async def _farewell(self, said: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(_FAREWELL):
                await said
        except (TimeoutError, DovetailError) as error:
            log.debug("What was said at parting did not arrive: %s", type(error).__name__)

    async def _listen(self, settled: Callable[[], None]) -> None:
        """Hold the GET stream, as long as the session lasts (2025-11-25, Listening for Messages from the Server)."""
        opened = False

        def listening() -> None:
            nonlocal opened
            opened = True
            settled()

        try:
            await self._poster.listen(
                self._limits, lambda item: self._hear(item, None, b""), self._receiver.missed, listening, self._vigil
            )
        except SessionLost as error:
            self._lose(error)
        except DovetailError as error:
            if opened:  # who listens must not wait for what can never come: the link is opened anew, or says why not
                self._lose(Disconnected(f"The stream of what the server says unasked is no more: {error}"))
            else:
                self._deaf = error
                log.debug("The server offers no stream: %s", error)  # "or else return HTTP 405": it may
        finally:
            settled()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _lose(self, reason: DovetailError) -> None:
        if self.lost is None:
            self.lost = reason
            self._ended.set()
