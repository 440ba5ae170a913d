"""A web site that a test writes: what it says stands byte for byte in the test, faults included."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

Serve = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]
Route = bytes | Serve


class Request:
    """What was asked."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.path = first.split(" ")[1]
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


class Site:
    """A running site."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0
        self._busy: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def page(self, path: str, body: str | bytes, kind: str = "text/html; charset=utf-8", **fields: str) -> None:
        self.routes[path] = answer(body, kind, 200, **fields)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._busy.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = Request((await reader.readuntil(b"\r\n\r\n"))[:-4])
            self.requests.append(request)
            route = self.routes.get(request.path, answer("", "text/plain", 404))
            if isinstance(route, bytes):
                writer.write(route)
                await writer.drain()
            else:
                await route(request, writer)
                return

    async def end(self) -> None:
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)


def answer(body: str | bytes, kind: str = "text/html; charset=utf-8", status: int = 200, **fields: str) -> bytes:
    """An answer with its length; fields are written with underscores."""
    data = body.encode() if isinstance(body, str) else body
    more: Mapping[str, str] = {name.replace("_", "-"): value for name, value in fields.items()}
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(data)}"]
    head += [f"content-type: {kind}"] if kind else []
    head += [f"{name}: {value}" for name, value in more.items()]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + data


def redirect(location: str, status: int = 302, **fields: str) -> bytes:
    return answer("secret body", "text/plain", status, location=location, **fields)


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    site = Site()
    server = await asyncio.start_server(site.accept, "127.0.0.1", 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        await site.end()
        await server.wait_closed()


ARTICLE = """<!DOCTYPE html><html><head><title>On tea</title></head><body>
<nav><a href="/">Home</a></nav>
<article><h1>On tea</h1><p>Green tea is <b>steamed</b> or pan-fired, and keeps its colour that way, says everybody who
makes it. It is drunk in small cups, and seldom with milk.</p>
<p>Read <a href="/black">about black tea</a> as well, which is left to wither and to oxidise before it is dried.</p>
<table><tr><th>kind</th><th>minutes</th></tr><tr><td>green</td><td>2</td></tr></table></article></body></html>"""
