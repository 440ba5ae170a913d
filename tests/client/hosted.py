"""A stateful server over HTTP that breaks, forgets and resumes when a test wants it; as an ASGI application."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Json = dict[str, Any]
Send = Callable[[Json], Awaitable[None]]
Calls = Callable[["Hosted", "Stream", Json], Awaitable[None]]

HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


class Broken(Exception):
    """Ends a stream in the middle."""


class Stream:
    """An event stream that is being answered with."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def raw(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def event(self, message: Json | None, identifier: str = "", retry: int | None = None) -> None:
        lines = [f"id: {identifier}"] if identifier else []
        lines += [f"retry: {retry}"] if retry is not None else []
        lines.append("data: " + ("" if message is None else json.dumps(message)))
        await self._send({"type": "http.response.body", "body": "\n".join(lines).encode() + b"\n\n", "more_body": True})


class Hosted:
    """Opens sessions by itself; tools are called, and streams resumed, as a test says.

    Attributes:
        sessions: Those that are known.
        resumed: The `Last-Event-ID` of every GET; empty for one that begins anew.
        unknown: What a message of a session that is not known is answered with; empty for 404.
        refusals: Statuses that the next GETs are answered with.
        posted: Every message that was posted.
    """

    def __init__(self, calls: Calls, *, resume: Calls | None = None, streams: int = 0) -> None:
        """Serve.

        Args:
            calls: Answers `tools/call`, given the answer's stream.
            resume: Goes on with a stream, given the new one.
            streams: How many GET streams are broken at once, before one is held.
        """
        self._calls = calls
        self._resume = resume
        self._breaking = streams
        self.sessions: set[str] = set()
        self.opened = 0
        self.resumed: list[str] = []
        self.refusals: list[int] = []
        self.unknown = b""
        self.posted: list[Json] = []
        self.streams: asyncio.Queue[Stream] = asyncio.Queue()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event["body"]
            if not event.get("more_body"):
                break
        session = headers.get("mcp-session-id", "")
        if scope["method"] == "POST":
            await self._post(json.loads(body), session, send)
        elif session not in self.sessions:
            await answer(send, 404)
        elif scope["method"] == "GET":
            await self._get(headers.get("last-event-id", ""), receive, send)
        else:
            self.sessions.discard(session)
            await answer(send, 200)

    async def _post(self, message: Json, session: str, send: Send) -> None:
        self.posted.append(message)
        method = message.get("method")
        if method == "initialize":
            self.opened += 1
            session = f"session-{self.opened}"
            self.sessions.add(session)
            hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "h", "version": "1"}}
            await answer(send, 200, result(message, hello), session)
        elif session not in self.sessions and self.unknown:
            kind = b"application/json" if self.unknown[:1] == b"{" else b"text/plain"
            await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", kind)]})
            await send({"type": "http.response.body", "body": self.unknown})
        elif session not in self.sessions:
            await answer(send, 404)
        elif method == "tools/call":
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            try:
                await self._calls(self, Stream(send), message)
            except Broken:
                pass  # the stream ends here: its answer has not been said
            await send({"type": "http.response.body", "body": b""})
        else:
            await answer(send, 202)

    async def _get(self, last: str, receive: Any, send: Send) -> None:
        self.resumed.append(last)
        if self.refusals:
            await answer(send, self.refusals.pop(0))
            return
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        stream = Stream(send)
        if last and self._resume is not None:
            await self._resume(self, stream, {})
        elif self._breaking:
            self._breaking -= 1
            await stream.event(None, retry=1)
        else:
            await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
            self.streams.put_nowait(stream)
            while (await receive())["type"] != "http.disconnect":
                pass
        await send({"type": "http.response.body", "body": b""})


def result(request: Json, value: Json) -> Json:
    return {"jsonrpc": "2.0", "id": request["id"], "result": value}


def text(value: str) -> Json:
    return {"content": [{"type": "text", "text": value}]}


async def answer(send: Send, status: int, message: Json | None = None, session: str = "") -> None:
    headers = [(b"content-type", b"application/json")]
    headers += [(b"mcp-session-id", session.encode())] if session else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if message is None else json.dumps(message).encode()})
