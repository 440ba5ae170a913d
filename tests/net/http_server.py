"""A real server on a real socket, in a thread of its own, and raw clients for it."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from dovetail.net.binding import bind
from dovetail.net.draining import DrainingServer
from dovetail.net.serving import loop_factory
from dovetail.net.uvicorn_protocol import HttpSite
from dovetail.wire import Limits

HOST = b"Host: localhost\r\n"
GET = b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n"


class App:
    """Answers with what it was asked, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.gone = threading.Semaphore(0)
        self.release: asyncio.Event | None = None
        self.drained = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.release = asyncio.Event()
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.seen.append(scope)
        await getattr(self, "on_" + scope["path"].strip("/").replace("-", "_"), self.on_echo)(scope, receive, send)

    def drain(self) -> None:
        self.drained = True
        assert self.release is not None
        self.release.set()

    async def body(self, receive: Any) -> bytes:
        parts = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                self.gone.release()
                raise ConnectionResetError
            parts.append(message["body"])
            if not message["more_body"]:
                return b"".join(parts)

    async def reply(self, send: Any, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def on_echo(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await self.body(receive)
        except ConnectionResetError:
            return
        shown = {key: scope[key] for key in ("method", "path", "http_version")}
        shown["query"] = scope["query_string"].decode()
        shown["headers"] = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
        shown["body"] = body.decode("latin-1") if len(body) < 1000 else len(body)
        await self.reply(send, 200, json.dumps(shown).encode())

    async def on_direct(self, scope: Any, receive: Any, send: Any) -> None:
        body = await self.body(receive)
        scope["extensions"]["dovetail.direct"].whole(200, [(b"content-type", b"text/plain")], body)

    async def on_direct_big(self, scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"]["dovetail.direct"].whole(200, [(b"content-type", b"text/plain")], b"x" * 1_000_000)

    async def on_refuses_early(self, scope: Any, receive: Any, send: Any) -> None:
        await self.reply(send, 403, b"{}")

    async def on_stream(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        direct = scope["extensions"]["dovetail.direct"]
        direct.on_gone = self.gone.release
        direct.write(b"data: one\n\n")
        assert self.release is not None
        await self.release.wait()
        await send({"type": "http.response.body", "body": b"data: end\n\n", "more_body": False})

    async def on_waits(self, scope: Any, receive: Any, send: Any) -> None:
        await self.body(receive)
        assert self.release is not None
        await self.release.wait()
        await self.reply(send, 200, b"{}")

    async def on_disconnect(self, scope: Any, receive: Any, send: Any) -> None:
        await self.body(receive)
        assert (await receive())["type"] == "http.disconnect"
        self.gone.release()

    async def on_raises(self, scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("-".join(("secret", "canary")))

    async def on_exits(self, scope: Any, receive: Any, send: Any) -> None:
        raise SystemExit(9)

    async def on_returns(self, scope: Any, receive: Any, send: Any) -> None:
        return

    async def on_too_long(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"22"})

    async def on_bad_header(self, scope: Any, receive: Any, send: Any) -> None:
        await self.reply(send, 200, b"{}", (b"x-split", b"a\r\nset-cookie: b"))

    async def on_flood(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        block = b"x" * 65536
        while not scope["extensions"]["dovetail.direct"].gone:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        self.gone.release()

    async def on_big(self, scope: Any, receive: Any, send: Any) -> None:
        await self.reply(send, 200, b"x" * 32_000_000)

    async def on_nothing(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


class Running:
    """A server that runs in a thread."""

    def __init__(self, app: App, port: int, site: HttpSite, stop: Callable[[], None]) -> None:
        self.app = app
        self.port = port
        self.site = site
        self.stop = stop

    def connect(self, timeout: float = 8.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def ask(self, data: bytes) -> bytes:
        """Send bytes, and return everything until the server closes."""
        with self.connect() as client:
            client.sendall(data)
            return read_all(client)

    def ask_once(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send one request, and return its response."""
        with self.connect() as client:
            client.sendall(data)
            return read_response(client)


@contextlib.contextmanager
def running(
    limits: Limits, loop: str = "asyncio", max_connections: int = 0, drain_seconds: float = 0.2
) -> Iterator[Running]:
    app = App()
    site = HttpSite(limits, max_connections=max_connections)
    sockets = bind("127.0.0.1", 0, None)
    port = sockets[0].getsockname()[1]
    started = threading.Event()
    stops: list[Callable[[], None]] = []

    async def main() -> None:
        server = DrainingServer(app, site, drain_seconds=drain_seconds, on_started=started.set)
        here = asyncio.get_running_loop()
        stops.append(partial(wish, here, server))
        await server.serve(sockets)

    def wish(here: asyncio.AbstractEventLoop, server: DrainingServer) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended
            here.call_soon_threadsafe(server.stop)

    def body() -> None:
        with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
            runner.run(main())

    thread = threading.Thread(target=body)
    thread.start()
    assert started.wait(8)
    try:
        yield Running(app, port, site, stops[0])
    finally:
        stops[0]()
        thread.join(8)
        assert not thread.is_alive()


def read_all(client: socket.socket) -> bytes:
    parts = []
    while True:
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def read_head(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read to the end of a head; return status, fields and what follows."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(65536)
        assert part, f"closed after {data!r}"
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name not in fields
        fields[name] = value
    assert first.startswith("HTTP/1.1 ")
    return int(first.split(" ")[1]), fields, rest


def read_response(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    status, fields, body = read_head(client)
    while len(body) < int(fields.get("content-length", "0")):
        part = client.recv(65536)
        assert part
        body += part
    return status, fields, body


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer[9:12])
