"""The loopback callback: a web server for one request, on 127.0.0.1, at a port that nobody knows before (A-25).

The browser brings the authorization code here (RFC 8252, 7.3). Anything on the machine, and any page in its browsers,
can send requests here too. So: a request counts only with the `state` of this login, which is compared in constant
time; others are turned away, and after many the login is given up. Nothing of a request is ever in a page. The `Host`
must be ours, so that no other name that leads here is answered. The server closes after the one request that counts.
"""

import asyncio
import hmac
import re
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from dovetail.errors import LoginUnavailable

PATH: Final = "/callback"
HEAD_BYTES: Final = 16 * 1024
HEAD_SECONDS: Final = 5.0
MOST_REQUESTS: Final = 64
# A request target has no fragment (RFC 9112, section 3.2): with one, two readers could find two queries.
_LINE: Final = re.compile(rb"(GET) (/[\x21\x22\x24-\x7e]*) HTTP/1\.[01]\r\n")
_HOST: Final = re.compile(rb"\r\nhost:[ \t]*([\x21-\x7e]*)[ \t]*\r\n", re.IGNORECASE)

_PAGE: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    "<body style='font:1.1rem system-ui;margin:4rem auto;max-width:30rem'><h1>{title}</h1><p>{text}</p>"
)
_DONE: Final = _PAGE.format(title="Thank you", text="The program has its answer. You can close this window.")
_WRONG: Final = _PAGE.format(title="Not this", text="This page waits for the answer to a login, and this is not it.")


class Callback:
    """Waits for the browser to come back. Use as `async with Callback() as callback`.

    Attributes:
        redirect_uri: Where the browser is to come back to.
    """

    def __init__(self, *, seconds: float = 300.0, port: int = 0) -> None:
        """Make a callback server.

        Args:
            seconds: How long the user may take.
            port: To listen at; one that nobody knows before by default.
        """
        self.redirect_uri = ""
        self._seconds = seconds
        self._port = port
        self._hosts: frozenset[bytes] = frozenset()
        self._state: bytes | None = None
        self._came: asyncio.Future[str] | None = None
        self._server: asyncio.Server | None = None
        self._requests = 0
        self._open: set[asyncio.Task[None]] = set()
        self._unasked: set[asyncio.StreamWriter] = set()

    def __repr__(self) -> str:
        return f"<Callback {self.redirect_uri or 'closed'}, {self._requests} requests>"

    async def __aenter__(self) -> Self:
        self._came = asyncio.get_running_loop().create_future()
        try:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=HEAD_BYTES)
        except OSError:
            at = f"Port {self._port}" if self._port else "No port"
            raise LoginUnavailable(f"{at} of this machine can be listened at for the answer to a login") from None
        port = self._server.sockets[0].getsockname()[1]
        self.redirect_uri = f"http://127.0.0.1:{port}{PATH}"
        self._hosts = frozenset({b"127.0.0.1:%d" % port, b"localhost:%d" % port})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in self._unasked:  # browsers connect before they have anything to ask
                writer.transport.abort()
            await asyncio.gather(*self._open, return_exceptions=True)
            await server.wait_closed()
        if self._came is not None:
            self._came.cancel()

    def expect(self, authorization_url: str) -> None:
        """Take note of the `state` that the answer must have: that of the URL that the browser is sent to."""
        states = parse_qs(urlsplit(authorization_url).query).get("state", [])
        self._state = states[0].encode() if len(states) == 1 else None

    async def answer(self) -> str:
        """Return the URL that the browser came back with.

        Raises:
            LoginUnavailable: It did not in time.
        """
        assert self._came is not None
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(self._came)
        except TimeoutError:
            raise LoginUnavailable(
                f"Nobody came back from the browser within {self._seconds:g} seconds: log in again"
            ) from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self._unasked.add(writer)
        try:
            await self._respond(reader, writer)
        finally:
            self._unasked.discard(writer)
            self._open.discard(task)

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._requests += 1
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                self._unasked.discard(writer)
                counts = self._requests <= MOST_REQUESTS and self._take(head)
                writer.write(_response(200, _DONE) if counts else _response(404, _WRONG))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever it was did not wait, or sent no request
        finally:
            writer.close()
        if self._requests >= MOST_REQUESTS and self._came is not None and not self._came.done():
            self._came.set_exception(LoginUnavailable("Something kept calling the login's callback: log in again"))

    def _take(self, head: bytes) -> bool:
        """Take a request if it is the one; tell whether it was."""
        line, hosts = _LINE.match(head), _HOST.findall(head)
        if line is None or len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return False
        target = line[2].decode("ascii")
        path, _, query = target.partition("?")
        states = parse_qs(query, max_num_fields=64).get("state", [])
        expected = self._state
        if path != PATH or expected is None or len(states) != 1:
            return False
        if not hmac.compare_digest(states[0].encode("utf-8", "replace"), expected):
            return False
        if self._came is None or self._came.done():
            return False
        self._came.set_result(f"{self.redirect_uri.removesuffix(PATH)}{target}")
        if self._server is not None:
            self._server.close()
        return True


def _response(status: int, page: str) -> bytes:
    body = page.encode()
    return (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii") + body
