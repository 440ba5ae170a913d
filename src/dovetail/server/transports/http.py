"""Streamable HTTP, both eras on one endpoint, as an ASGI app. Which rule applies is `core`'s; here is only the order of
things.

    guard -> route -> POST: headers, body, frame -> the frame's era -> Opening -> run_call -> one reply
                      GET, DELETE: sessions of the stateful revisions

The stateless path is the hot one: it allocates what it needs and nothing to be ready for what it might need.
"""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from dovetail.core import (
    RESUME_HEADER,
    SESSION_HEADER,
    VERSION_HEADER,
    Call,
    Principal,
    accepts_stream,
    check_post,
    read_event_id,
    status_of,
)
from dovetail.errors import (
    Busy,
    DefinitionError,
    Disconnected,
    InvalidRequest,
    LimitExceeded,
    MethodNotFound,
    Refusal,
    SessionEnded,
)
from dovetail.net import Gone, Reply, TooLarge, read_body
from dovetail.revisions import REVISIONS
from dovetail.server.calls.context import Context
from dovetail.server.calls.outcomes import masked, refusal_of
from dovetail.server.calls.turn import run_call
from dovetail.server.transports.exchange import JSON_TYPE, Load, StatefulExchange, StatelessExchange, refusal_head
from dovetail.server.transports.listen import serve_listen
from dovetail.server.transports.opening import Opening, is_modern
from dovetail.server.transports.sessions import Sessions
from dovetail.server.transports.stateful import initialize, notified
from dovetail.server.transports.streams import follow, follow_notices
from dovetail.wire import Answer, Batch, Broken, Failure, Notification, Request, error_frame, parse, result_frame

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime

_STATELESS: Final = frozenset(r.version.encode() for r in REVISIONS if r.stateless)
_KNOWN: Final = frozenset(r.version.encode() for r in REVISIONS)
_ALLOW: Final = b"GET, POST, DELETE"
Fields = dict[bytes, bytes]


class Endpoint:
    """The MCP endpoint."""

    def __init__(self, runtime: "Runtime") -> None:
        """Serve a runtime; who asks has passed the guard."""
        self.runtime = runtime
        self.opening = Opening(runtime)
        self.sessions = Sessions(runtime)
        self.load = Load(runtime.limits.principal_in_flight)
        self.listening = Load(runtime.limits.streams)

    def __repr__(self) -> str:
        return f"<Endpoint {self.load!r} {self.sessions!r}>"

    async def serve(self, scope: Any, fields: Fields, reply: Reply, receive: Any) -> None:
        """Serve one HTTP request that has passed the guard."""
        identify = self.runtime.server.identify
        principal = by_address(scope) if identify is None else await self.principal(scope, fields)
        match scope["method"]:
            case "POST":
                await self._post(fields, reply, receive, principal)
            case "GET":
                await self._get(fields, reply, principal)
            case "DELETE":
                await self._delete(fields, reply, principal)
            case _:
                await reply.whole(405, [(b"allow", _ALLOW)])

    async def principal(self, scope: Any, fields: Fields) -> Principal:
        """Return on whose behalf a request is made: what the server's `identify` says, else the peer's address.

        Raises:
            AuthRequired: `identify` turns the caller away.
            DefinitionError: `identify` returned something else; never taken for a stranger (S-25).
        """
        identify = self.runtime.server.identify
        found: Any = None if identify is None else identify(scope, fields)
        if isawaitable(found):
            found = await found
        if found is None:
            return by_address(scope)
        if not isinstance(found, Principal):
            raise DefinitionError(f"identify returned a {type(found).__name__}: expected a Principal or None")
        return found

    # POST.

    async def _post(self, fields: Fields, reply: Reply, receive: Any, principal: Principal) -> None:
        rejected = check_post(fields)
        if rejected is not None:
            await refuse(reply, rejected.status, rejected.error)
            return
        limits = self.runtime.limits
        body = await read_body(receive, limits.body, fields.get(b"content-length"))
        if isinstance(body, bytes):
            message = parse(body, limits)
            if type(message) is Request:
                if fields.get(VERSION_HEADER) in _STATELESS or is_modern(message):
                    await self._stateless(message, fields, reply, principal)
                else:
                    await self._stateful(message, fields, reply, principal)
            else:
                await self._other(message, body, fields, reply, principal)
        elif isinstance(body, TooLarge):
            await refuse(
                reply, 413, LimitExceeded(f"The body is larger than {limits.body} bytes", limit="body"), close=True
            )
        else:
            assert isinstance(body, Gone)

    async def _stateless(self, request: Request, fields: Fields, reply: Reply, principal: Principal) -> None:
        try:
            call = self.opening.stateless(request, principal, fields)
            if self.load.full(principal.bucket):
                self._make_room(principal)
        except Refusal as error:
            self.runtime.refused(request, principal, error)
            await refuse(reply, status_of(error), error, request.id)
            return
        if call.method == "subscriptions/listen":
            await self._listen(call, reply)
            return
        await self._serve(Context(call, self.runtime, StatelessExchange(reply, self.load)), reply)

    def _make_room(self, principal: Principal) -> None:
        """Let a principal make one more call than it may have under way, in the place of one that was left behind.

        Raises:
            Busy: There is none that waits for a client that is gone.
        """
        if not self.sessions.make_room(principal.bucket):
            raise Busy("Too many requests at a time")

    async def _listen(self, call: Any, reply: Reply) -> None:
        await self._stream(reply, call.principal, lambda: serve_listen(self.runtime, call, reply), call.id)

    async def _stream(
        self, reply: Reply, principal: Principal, serve: Callable[[], Awaitable[None]], identifier: bytes | None = None
    ) -> None:
        """Serve a stream that lasts, of whichever era, unless its principal has as many as it may."""
        if self.listening.full(principal.bucket):
            await refuse(reply, 429, Busy("Too many streams"), identifier)
            return
        self.listening.enter(principal.bucket)
        try:
            await serve()
        finally:
            self.listening.leave(principal.bucket)

    async def _stateful(self, request: Request, fields: Fields, reply: Reply, principal: Principal) -> None:
        if request.method == "initialize":
            await self._initialize(request, reply, principal)
            return
        session = await self._session(fields, reply, principal, request.id)
        if session is None:
            return
        try:
            call = self.opening.stateful(request, session, fields, principal)
            if session.endpoint.under_way(request.id):
                raise InvalidRequest("id: a request with this id is still in progress")
            if self.load.full(principal.bucket):
                self._make_room(principal)
        except Refusal as error:
            self.runtime.refused(request, principal, error)
            await refuse(reply, 429 if isinstance(error, Busy) else 200, error, request.id)
            return
        outlet = StatefulExchange(reply, self.load, self.sessions, session)
        await self._serve(Context(call, self.runtime, outlet, session), reply)

    async def _serve(self, context: Context, reply: Reply) -> None:
        outlet = context.outlet
        try:
            await run_call(self.runtime, context)
        except CancelledError as error:
            # The handler cancelled the task it runs in, or the outer server did: an outcome all the same (S-25).
            if not reply.closed:
                refusal = masked(error, context.call)
                await outlet.finish(error_frame(context.call.id, refusal), refusal)
            raise

    async def _initialize(self, request: Request, reply: Reply, principal: Principal) -> None:
        try:
            await self.sessions.admit(principal)
        except Busy as error:
            await refuse(reply, 429, error, request.id)
            return
        try:
            session = await self.sessions.create(principal)
            payload = initialize(self.runtime, session, request)
            await self.sessions.begin(session)
        except (Refusal, Disconnected) as error:
            unable = isinstance(error, (Busy, Disconnected))
            await refuse(reply, 503 if unable else 400, refusal_of(error), request.id)
            return
        headers = [JSON_TYPE, (SESSION_HEADER, session.id.encode())]
        await reply.whole(200, headers, result_frame(request.id, payload))

    async def _session(self, fields: Fields, reply: Reply, principal: Principal, identifier: bytes | None) -> Any:
        """Return the session of a request, or None once the request was refused."""
        version = fields.get(VERSION_HEADER)
        if version is not None and version.strip() not in _KNOWN:
            # "If the server receives a request with an invalid or unsupported MCP-Protocol-Version, it MUST respond
            # with 400 Bad Request." (2025-11-25, Protocol Version Header)
            await refuse(reply, 400, InvalidRequest("MCP-Protocol-Version: not supported"), identifier)
            return None
        key = fields.get(SESSION_HEADER)
        if key is None:
            # "Servers that require a session ID SHOULD respond to requests without an MCP-Session-Id header (other than
            # initialization) with HTTP 400 Bad Request." (2025-11-25, Session Management)
            await refuse(reply, 400, InvalidRequest("Mcp-Session-Id: required header is missing"), identifier)
            return None
        try:
            session = await self.sessions.find(key, principal)
        except Disconnected as error:
            await refuse(reply, 503, refusal_of(error), identifier)
            return None
        if session is None:
            await refuse(reply, 404, InvalidRequest("Session not found"), identifier)
        return session

    async def _other(self, message: Any, body: bytes, fields: Fields, reply: Reply, principal: Principal) -> None:
        match message:
            case Broken(identifier, error):
                if message.answers is None or SESSION_HEADER not in fields:
                    await refuse(reply, 400, error, identifier)
                    return
                session = await self._session(fields, reply, principal, None)
                if session is not None:
                    # "If the server cannot accept the input, it MUST return an HTTP error status code [...] a JSON-RPC
                    # error response that has no id." (2025-11-25, Streamable HTTP, Sending Messages) And who asked
                    # hears that no answer comes.
                    await self.sessions.answered(session, message, body)
                    await refuse(reply, 400, error)
            case Notification() if fields.get(VERSION_HEADER) in _STATELESS:
                # The stateless revision has no client notification over HTTP: accepted, and meaningless.
                await reply.whole(202, [])
            case Notification():
                session = await self._session(fields, reply, principal, None)
                if session is not None:
                    await notified(self.sessions, session, message)
                    await reply.whole(202, [])
            case Answer() | Failure():
                session = await self._session(fields, reply, principal, None)
                if session is not None:
                    await self.sessions.answered(session, message, body)
                    await reply.whole(202, [])
            case Batch():
                await self._batch(message, fields, reply, principal)

    async def _batch(self, batch: Batch, fields: Fields, reply: Reply, principal: Principal) -> None:
        from dovetail.server.transports.batch import BatchRunner

        if fields.get(VERSION_HEADER) in _STATELESS or SESSION_HEADER not in fields:
            await refuse(reply, 400, InvalidRequest("A batch is not allowed: send one message at a time"))
            return
        session = await self._session(fields, reply, principal, None)
        if session is not None and not session.peer.revision.batching:
            # "The body of the POST request MUST be a single JSON-RPC request, notification, or response." and "If the
            # server cannot accept the input, it MUST return an HTTP error status code" (2025-11-25, Streamable HTTP)
            await refuse(reply, 400, InvalidRequest("A batch is not allowed in this protocol revision"))
        elif session is not None:

            async def admit(request: Request) -> Call:
                if self.load.full(principal.bucket):
                    self._make_room(principal)
                return self.opening.stateful(request, session, fields, principal)

            runner = BatchRunner(self.runtime, session, self.sessions, admit)
            await runner.run(batch, StatefulExchange(reply, self.load, self.sessions, session))

    # GET and DELETE.

    async def _get(self, fields: Fields, reply: Reply, principal: Principal) -> None:
        if SESSION_HEADER not in fields or fields.get(VERSION_HEADER) in _STATELESS:
            await refuse(reply, 405, MethodNotFound("GET opens the stream of a session; there is no session here"))
            return
        if not accepts_stream(fields.get(b"accept", b"")):
            await refuse(reply, 406, InvalidRequest("Accept: expected text/event-stream"))
            return
        session = await self._session(fields, reply, principal, None)
        if session is None:
            return
        resume, place = fields.get(RESUME_HEADER), None
        if resume is not None and session.peer.revision.resumable and (place := read_event_id(resume)) is None:
            await refuse(reply, 400, InvalidRequest("Last-Event-ID: not an event id of this server"))
            return

        async def serve() -> None:
            if place is None:
                await follow_notices(self.runtime, self.sessions, session, reply)
            else:
                await follow(self.runtime, self.sessions, session, reply, *place)

        try:
            await self._stream(reply, principal, serve)
        except SessionEnded as error:
            await refuse(reply, 404, error)

    async def _delete(self, fields: Fields, reply: Reply, principal: Principal) -> None:
        if SESSION_HEADER not in fields:
            await refuse(reply, 405, MethodNotFound("DELETE ends a session; there is no session here"))
            return
        session = await self._session(fields, reply, principal, None)
        if session is not None:
            try:
                await self.sessions.end(session)
            except Disconnected as error:
                await refuse(reply, 503, refusal_of(error))  # it is over here, but the store would give it back
                return
            await reply.whole(204, [])


_addresses: dict[str, Principal] = {}


def by_address(scope: Any) -> Principal:
    """Return the principal of an unauthenticated peer: nobody, counted by its address."""
    client = scope.get("client")
    address: str = client[0] if client else ""
    principal = _addresses.get(address)
    if principal is None:
        if len(_addresses) >= 1024:
            _addresses.clear()
        principal = _addresses[address] = Principal(bucket=f"address:{address}")
    return principal


async def refuse(
    reply: Reply,
    status: int,
    error: Refusal,
    identifier: bytes | None = None,
    *,
    close: bool = False,
    allow: bytes = _ALLOW,
) -> None:
    """Answer with an error that knows no call; `allow` names the methods that there are, for a 405."""
    status, headers = refusal_head(status)
    if status == 405:
        headers.append((b"allow", allow))
    if close:
        headers.append((b"connection", b"close"))
    await reply.whole(status, headers, error_frame(identifier, error))
