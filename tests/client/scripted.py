"""A server that says exactly what a test wants, over the in-memory channel."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from dovetail.net import Channel, memory_pair
from dovetail.wire import DEFAULT_LIMITS

Json = dict[str, Any]
Reply = Callable[["Scripted", Json], None]

CAPABILITIES: Json = {"tools": {}, "resources": {}, "prompts": {}}


class Scripted:
    """Answers each method with what a test gave for it; the opening by itself."""

    def __init__(self, version: str = "2025-11-25", **replies: Reply) -> None:
        self.version = version
        self.limits = DEFAULT_LIMITS
        self.replies = replies
        self.seen: list[Json] = []
        self.channels: list[Channel] = []
        self.heard = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def connect(self) -> Channel:
        """Return the client's end."""
        ours, theirs = memory_pair(self.limits)
        self.channels.append(theirs)
        task = asyncio.create_task(self._serve(theirs))
        self._tasks.add(task)
        return ours

    def say(self, message: Json | bytes) -> None:
        """Send anything."""
        self.channels[-1].send(message if isinstance(message, bytes) else json.dumps(message).encode())

    def answer(self, request: Json, result: Json) -> None:
        """Answer a request."""
        self.say({"jsonrpc": "2.0", "id": request["id"], "result": result})

    def refuse(self, request: Json, code: int, message: str = "No", data: Any = None) -> None:
        """Answer a request with an error."""
        error = {"code": code, "message": message, **({} if data is None else {"data": data})}
        self.say({"jsonrpc": "2.0", "id": request["id"], "error": error})

    def of(self, method: str) -> list[Json]:
        """Return what was said under a method."""
        return [message for message in self.seen if message.get("method") == method]

    async def until(self, method: str, count: int = 1) -> Json:
        """Wait until a method was said that often; return the last one."""
        async with asyncio.timeout(5):
            while len(self.of(method)) < count:
                self.heard.clear()
                await self.heard.wait()
        return self.of(method)[-1]

    async def _serve(self, channel: Channel) -> None:
        while isinstance(data := await channel.receive(), bytes):
            message = json.loads(data)
            self.seen.append(message)
            self.heard.set()
            if "method" not in message:
                continue
            reply = self.replies.get(message["method"].replace("/", "_")) or self._opening(message["method"])
            if reply is not None and "id" in message:
                reply(self, message)

    def _opening(self, method: str) -> Reply | None:
        stateless = self.version == "2026-07-28"
        match method:
            case "server/discover" if stateless:
                result = {"supportedVersions": [self.version], "capabilities": CAPABILITIES, "resultType": "complete"}
                return lambda server, request: server.answer(request, {**result, "ttlMs": 0, "cacheScope": "private"})
            case "initialize" if not stateless:
                info = {"name": "scripted", "version": "1"}
                hello = {"protocolVersion": self.version, "capabilities": CAPABILITIES, "serverInfo": info}
                return lambda server, request: server.answer(request, hello)
        return lambda server, request: server.refuse(request, -32601)


def text(value: str, **more: Any) -> Json:
    """Return a tool's result."""
    return {"content": [{"type": "text", "text": value}], **more}
