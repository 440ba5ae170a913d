"""HTTP under a link: one endpoint (`Poster`), and one request with its answer (`Exchange`).

Here stands what a status, a content type and the end of a stream mean. An answer's stream that breaks is resumed by
event id where the revision has that; otherwise the request ends with `Disconnected`. Nothing waits without a bound: the
call's timer above ends all of it.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from dovetail.client.http_credentials import Credentialed, sender
from dovetail.client.http_refusals import answers_a_request, error_of, names_session, retry_after
from dovetail.client.http_vigil import Vigil
from dovetail.client.login import Authorizer
from dovetail.core import Parser
from dovetail.errors import (
    AuthRequired,
    Disconnected,
    DovetailError,
    HttpFailure,
    LimitExceeded,
    PeerError,
    ProtocolViolation,
    SessionLost,
    quote,
)
from dovetail.revisions import Revision
from dovetail.wire import Answer, Batch, Broken, Failure, Limits, Message, Notification, Request, parse

if TYPE_CHECKING:
    from dovetail.net import HttpClient, Response

Hear = Callable[[Message], None]

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"
_BOTH: Final = f"{JSON}, {EVENT_STREAM}"
_ERROR_BYTES: Final = 64 * 1024
_SHOWN: Final = 256
_LATER: Final = (429, 502, 503, 504)
_UNHEARD: Final = (405, 429, 503)
"""Statuses that say more than a JSON-RPC error under them: what was posted did not come before who could answer it."""
_FRUITLESS: Final = 5
"""Resumptions in a row that bring no event, before a stream is given up."""
_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_LEAST_PAUSE: Final = 0.01
_MOST_PAUSE: Final = 86_400.0
"""What a server may ask for; a call's own timer is shorter."""


class Poster:
    """One endpoint: its header fields, its credentials, and what its statuses mean.

    Attributes:
        version: `MCP-Protocol-Version` of each request; empty for none.
        session: `Mcp-Session-Id` of each request; empty for none.
    """

    def __init__(self, http: "HttpClient", url: str, headers: Mapping[str, str], authorizer: Authorizer | None) -> None:
        """Send to `url` over a pool, which somebody else closes."""
        self._pool = http
        self._http = sender(http, authorizer)
        self._headers = {name.lower(): value for name, value in headers.items()}
        self.url = url
        self.version = ""
        self.session = ""

    async def post(self, frame: bytes, headers: Mapping[str, str], authorizer: Authorizer | None = None) -> "Response":
        """Send a message, with credentials of its own if it has any, and return the answer, whatever its status."""
        http = self._http if authorizer is None else sender(self._pool, authorizer)
        return await self._send("POST", frame, {"content-type": JSON, "accept": _BOTH, **headers}, http)

    async def tell(self, frame: bytes, headers: Mapping[str, str]) -> None:
        """Send what is not answered.

        Raises:
            DovetailError: The server did not take it.
        """
        response = await self.post(frame, headers)
        try:
            # "If the server accepts the input, the server MUST return HTTP status code 202 Accepted with no body."
            if not 200 <= response.status < 300:
                raise await self.failure(response)
        finally:
            await response.aclose()

    async def get(self, last_event_id: str = "") -> "Response":
        """Open a stream, or go on with one.

        Raises:
            SessionLost: The session is not known any more.
            HttpFailure: There is none to be had.
        """
        resume = {"last-event-id": last_event_id} if last_event_id else {}
        response = await self._send("GET", None, {"accept": EVENT_STREAM, **resume})
        if response.status == 200 and kind_of(response) == EVENT_STREAM:
            return response
        try:
            if response.status == 200:
                raise ProtocolViolation("The server answered GET with something else than an event stream")
            raise await self.failure(response)
        finally:
            await response.aclose()

    async def end(self) -> None:
        """End the session."""
        response = await self._send("DELETE", None, {})
        await response.aclose()

    async def listen(
        self, limits: Limits, hear: Hear, missed: Callable[[], None], listening: Callable[[], None], vigil: Vigil
    ) -> None:
        """Hold the stream of what the server says unasked; open it again when it breaks.

        Returns never; `listening` is called each time that the stream is open, and `missed` when what was said in
        between cannot be had any more. `vigil` reads, and notices when nobody is there.

        Raises:
            SessionLost: The session is not known any more.
            HttpFailure: The server offers no such stream.
        """
        last, pause, told, opened = "", _PAUSE, 0.0, False
        while True:
            try:
                response = await self.get(last)
            except HttpFailure as error:
                if not opened or error.status not in _LATER:
                    raise
                response = None
            except Disconnected as error:
                if isinstance(error, SessionLost):
                    raise
                response = None
            if response is not None:
                listening()
                if opened and not last:
                    missed()
                parser, opened = Parser(limits.line), True
                if await _hold(response, parser, hear, limits, vigil):
                    pause = _PAUSE
                last = parser.last_event_id or last
                if parser.retry is not None:
                    told = min(parser.retry / 1000, _MOST_PAUSE)
            await asyncio.sleep(max(told or pause, _LEAST_PAUSE))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def failure(self, response: "Response", *, given: bool = False) -> DovetailError:
        """Return what a status that is no success means; `given`: the request had credentials of its own."""
        status = response.status
        try:
            body = await response.read(_ERROR_BYTES)
        except (LimitExceeded, Disconnected):
            body = b""
        error = error_of(body) if kind_of(response) == JSON else None
        if status == 404 and self.session:
            if answers_a_request(body) and error is not None and "session" not in error.message.lower():
                # The request's own answer: it may have been done.
                return PeerError(error.code, error.message, error.data)
            # "When a client receives HTTP 404 in response to a request containing an MCP-Session-Id, it MUST start a
            # new session by sending a new InitializeRequest" (2025-11-25, Session Management)
            return SessionLost("The server does not know the session any more")
        if status == 401 or (status == 403 and "www-authenticate" in response.headers):
            return AuthRequired(_unauthorized(status, given=given or self._gives))
        later = retry_after(response.headers)
        if status == 400 and self.session and not answers_a_request(body) and names_session(error, body):
            return SessionLost("The server does not know the session any more")
        if error is not None:
            if status in _UNHEARD:
                return HttpFailure(status, retry_after=later, said=quote(error.message))
            return PeerError(error.code, error.message, error.data)
        location = location_of(response.headers.get("location", ""), self.url) if 300 <= status < 400 else ""
        return HttpFailure(status, retry_after=later, location=location)

    @property
    def _gives(self) -> bool:
        return "authorization" in self._headers or (isinstance(self._http, Credentialed) and self._http.gave)

    async def _send(
        self,
        method: str,
        body: bytes | None,
        headers: Mapping[str, str],
        http: "HttpClient | Credentialed | None" = None,
    ) -> "Response":
        fields = {**self._headers, **headers}
        if self.version:
            fields["mcp-protocol-version"] = self.version
        if self.session:
            fields["mcp-session-id"] = self.session
        return await (http or self._http).send(method, self.url, fields, body)


class Exchange:
    """One request and its answer.

    Attributes:
        session: The session that the answer names; empty for none.
        lost: Why the session is no more, if that came out.
    """

    def __init__(
        self, poster: Poster, limits: Limits, revision: Revision | None, identifier: bytes, vigil: Vigil | None = None
    ) -> None:
        self._poster = poster
        self._vigil = vigil
        self._limits = limits
        self._resumable = revision is not None and revision.resumable
        self._id = identifier
        self._message: Answer | Failure | Broken | None = None
        self.session = ""
        self.lost: SessionLost | None = None

    async def run(
        self, frame: bytes, headers: Mapping[str, str], hear: Hear, authorizer: Authorizer | None = None
    ) -> Answer | Failure | Broken:
        """Send the request and return what answers it; `hear` takes what comes before."""
        response = await self._poster.post(frame, headers, authorizer)
        try:
            if response.status != 200:
                raise await self._poster.failure(response, given=authorizer is not None)
            self.session = response.headers.get("mcp-session-id", "")
            match kind_of(response):
                case "application/json":
                    body = await response.read(self._limits.body)
                    self._take(message := parse(body, self._limits), hear)
                    if isinstance(message, Broken) and (error := error_of(body)) is not None:
                        raise PeerError(error.code, error.message, error.data)  # about no request, so about this one
                case "text/event-stream":
                    await self._stream(response, hear)
                case kind:
                    raise ProtocolViolation(
                        f"The server answered with a content type that is none of MCP: {quote(kind, 64)}"
                    )
        finally:
            await response.aclose()
        if self._message is None:
            raise ProtocolViolation("The server's answer answers something else")
        return self._message

    def _take(self, message: Message, hear: Hear) -> None:
        match message:
            case Batch(items):
                for item in items:
                    self._take(item, hear)
            case Answer(identifier) | Failure(identifier) | Broken(_, _, identifier) if identifier in (self._id, None):
                if self._message is None:
                    self._message = message
            case Answer() | Failure() | Broken() | Request() | Notification():
                hear(message)

    async def _stream(self, opened: "Response", hear: Hear) -> None:
        """Read the answer's stream, over as many connections as it takes (2025-11-25, Resumability and Redelivery)."""
        response: Response | None = opened
        last, pause, fruitless = "", _PAUSE, 0
        while True:
            fruitful = False
            if response is not None:
                parser = Parser(self._limits.line)
                fruitful = await _hold(
                    response, parser, lambda item: self._take(item, hear), self._limits, self._vigil, self._answered
                )
                if self._message is not None:
                    return
                last = parser.last_event_id or last
                if not self._resumable or not last:
                    raise Disconnected("The stream ended before the answer")
                if parser.retry is not None:
                    # "The client MUST respect the retry field" (2025-11-25, Streamable HTTP, Sending Messages)
                    pause = min(parser.retry / 1000, _MOST_PAUSE)
            fruitless = 0 if fruitful else fruitless + 1
            if fruitless > _FRUITLESS:
                raise Disconnected("The stream ended before the answer, again and again")
            await asyncio.sleep(max(pause, _LEAST_PAUSE))
            response = await self._resumed(last)

    async def _resumed(self, last: str) -> "Response | None":
        """Go on with the stream; None when that is worth another try.

        The request was accepted, so no failure here may read as if it had never left (C-11).

        Raises:
            Disconnected: It cannot be gone on with.
        """
        try:
            return await self._poster.get(last)
        except SessionLost as error:
            self.lost = error
            reason: DovetailError = error
        except HttpFailure as error:
            if error.status in _LATER:
                return None
            reason = error
        except Disconnected:
            return None
        except DovetailError as error:
            reason = error
        raise Disconnected(f"The stream ended before the answer, and cannot be gone on with: {reason}") from None

    def _answered(self) -> bool:
        return self._message is not None


async def _hold(
    response: "Response",
    parser: Parser,
    hear: Hear,
    limits: Limits,
    vigil: Vigil | None,
    enough: Callable[[], bool] = lambda: False,
) -> bool:
    """Read a stream until it ends, breaks, or is enough; tell whether anything was said."""
    fruitful = False
    try:
        while chunk := await (response.chunk() if vigil is None else vigil.chunk(response)):
            for event in parser.feed(chunk):
                fruitful = fruitful or bool(event.data)
                # Without data it primes: an id to resume from, and nothing to hear. Another type is no message: "the
                # user agent must [...] dispatch the event" by its type (HTML, 9.2.6), and MCP's have none.
                if event.data and event.event in (None, "message"):
                    hear(parse(event.data.encode(), limits))
            if enough():
                break
    except Disconnected:
        pass  # as at its end: what is missing shows
    finally:
        await response.aclose()
    return fruitful


def _unauthorized(status: int, *, given: bool) -> str:
    if given:
        return f"The server refuses the credentials that it was given (HTTP status {status}): renew or replace `auth`"
    return f"The server wants credentials (HTTP status {status}): see `auth` of the client"


def location_of(value: str, url: str) -> str:
    """Return where a redirect leads: origin and path, for a person to read; empty where that makes no URL."""
    try:
        there = urlsplit(urljoin(url, value)) if value else None
        if there is None or there.scheme not in ("http", "https") or there.hostname is None:
            return ""
        host = f"[{there.hostname}]" if ":" in there.hostname else there.hostname
        port = "" if there.port is None else f":{there.port}"
    except ValueError:
        return ""
    return quote(f"{there.scheme}://{host}{port}{there.path}", _SHOWN)[1:-1]


def kind_of(response: "Response") -> str:
    """Return the content type without its parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
