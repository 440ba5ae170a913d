"""A server that says exactly the bytes that a test wants, on the test's own event loop."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Script = Callable[["Visit"], Awaitable[None]]


class Visit:
    """One connection, as the server sees it."""

    def __init__(self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.number = len(server.visits)
        self.over = asyncio.Event()
        """The script has ended: on its own, or because the client is gone."""

    async def request(self) -> bytes:
        """Read one request, its body included; keep it."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        whole = head + await self.reader.readexactly(length)
        self.server.requests.append(whole)
        return whole

    async def say(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def answer(self, body: bytes, *fields: bytes, status: bytes = b"200 OK") -> None:
        head = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n" % (status, len(body))
        await self.say(head + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body)

    def reset(self) -> None:
        """Close with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has closed its side."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.server.left.set()


class RawServer:
    """Attributes: what was asked, and how many connections there were."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.visits: list[Visit] = []
        self.errors: list[BaseException] = []
        self.left = asyncio.Event()
        self.url = ""
        self.port = 0


@asynccontextmanager
async def raw_server(script: Script) -> AsyncIterator[RawServer]:
    server = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(visit: Visit) -> None:
        try:
            await script(visit)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:
            server.errors.append(error)
        finally:
            visit.writer.close()
            visit.over.set()

    def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(server, reader, writer)
        server.visits.append(visit)
        task = asyncio.ensure_future(serve(visit))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(came, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{server.port}/mcp"
    try:
        yield server
    finally:
        listener.close()
        for visit in server.visits:
            visit.writer.transport.abort()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()
    assert not server.errors
