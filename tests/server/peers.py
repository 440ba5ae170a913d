"""Two ends of a conversation for tests: a client by hand, over the in-memory channel or over ASGI without a socket."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from dovetail.server import Server

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
STATELESS = "2026-07-28"
ALL_ASKS: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}
Json = dict[str, Any]


def meta(capabilities: Json | None = None, **more: Any) -> Json:
    """Return the `_meta` of a stateless request."""
    return {VERSION: STATELESS, CAPABILITIES: ALL_ASKS if capabilities is None else capabilities, **more}


class Conversation:
    """A client on the in-memory channel."""

    def __init__(self, server: Server) -> None:
        self.channel = server.connect()
        self.seen: list[Json] = []
        self.answers: dict[str, Callable[[Json], Json | None]] = {}
        self._next = 0

    def send(self, message: Json) -> None:
        self.channel.send(json.dumps(message).encode())

    async def receive(self) -> Json:
        data = await asyncio.wait_for(self.channel.receive(), 5)
        assert isinstance(data, bytes), data
        message: Json = json.loads(data)
        self.seen.append(message)
        return message

    async def open(self, version: str = "2025-11-25", capabilities: Json | None = None) -> Json:
        caps = ALL_ASKS if capabilities is None else capabilities
        info = {"name": "test", "version": "1"}
        answer = await self.call("initialize", protocolVersion=version, capabilities=caps, clientInfo=info)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def begin(self, method: str, params: Json) -> int:
        self._next += 1
        self.send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params})
        return self._next

    async def call(self, method: str, **params: Any) -> Json:
        return await self.outcome(self.begin(method, params))

    async def outcome(self, identifier: int) -> Json:
        """Return the response to a request, answering what the server asks meanwhile."""
        while True:
            message = await self.receive()
            if "method" not in message:
                if message.get("id") == identifier:
                    return message
                continue
            answer = self.answers.get(message["method"])
            if "id" in message and answer is not None:
                result = answer(message["params"])
                if result is not None:
                    self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    async def rounds(self, name: str, arguments: Json | None = None, limit: int = 12) -> list[Json]:
        """Call a tool on the stateless revision, answering round after round; return every result."""
        results: list[Json] = []
        extra: Json = {}
        for _ in range(limit):
            params = {"name": name, "arguments": arguments or {}, "_meta": meta(), **extra}
            message = await self.call("tools/call", **params)
            result = message.get("result") or message
            results.append(result)
            if result.get("resultType") != "input_required":
                return results
            responses = {
                key: self.answers[request["method"]](request["params"])
                for key, request in result["inputRequests"].items()
                if request["method"] in self.answers
            }
            extra = {
                "requestState": result["requestState"],
                "inputResponses": {key: value for key, value in responses.items() if value is not None},
            }
        raise AssertionError("the call never ended")

    async def close(self) -> None:
        await self.channel.aclose()


def accept(**content: Any) -> Callable[[Json], Json]:
    """Answer a form with content."""
    return lambda params: {"action": "accept", "content": content}


def answered(result: Json, **content: Any) -> Json:
    """Return what a client sends with its retry: the state, and the same answer to every question."""
    answer = {"action": "accept", "content": content}
    return {
        "requestState": result["requestState"],
        "inputResponses": dict.fromkeys(result["inputRequests"], answer),
    }


def text_of(message: Json) -> str:
    """Return the text of a tool's result."""
    result = message.get("result", message)
    return "".join(block.get("text", "") for block in result["content"])


class Http:
    """A client of an ASGI app, without a socket."""

    def __init__(self, app: Any, client: str = "127.0.0.1") -> None:
        self.app = app
        self.client = client

    async def request(
        self,
        method: str = "POST",
        body: bytes | Json = b"",
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        path: str = "/mcp",
        gone: asyncio.Event | None = None,
    ) -> "Response":
        """Send a request; the response is complete, or the stream is still open when `gone` was set."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = list(headers.items() if isinstance(headers, dict) else headers or [])
        names = {name.lower() for name, _ in given}
        usual = [("host", "localhost:8000"), ("content-type", "application/json")]
        usual.append(("accept", "application/json, text/event-stream"))
        fields = [
            (n.lower().encode(), v.encode("latin-1")) for n, v in [*(u for u in usual if u[0] not in names), *given]
        ]
        response = Response()
        first = True

        async def receive() -> Json:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": raw, "more_body": False}
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Json) -> None:
            response.take(message)

        query = path.partition("?")[2].encode()
        scope = {
            "type": "http",
            "method": method,
            "path": path.partition("?")[0],
            "query_string": query,
            "headers": fields,
            "client": (self.client, 1),
        }
        await self.app(scope, receive, send)
        return response

    async def modern(
        self,
        method: str,
        params: Json | None = None,
        *,
        identifier: Any = 1,
        gone: asyncio.Event | None = None,
        **more: Any,
    ) -> "Response":
        """Send a request of the stateless revision, with the headers that it needs."""
        params = {**(params or {}), "_meta": {**meta(more.pop("capabilities", None)), **more.pop("meta", {})}}
        headers = {"mcp-protocol-version": STATELESS, "mcp-method": method}
        name = params.get("name", params.get("uri"))
        if name is not None:
            headers["mcp-name"] = name
        headers.update(more.pop("headers", {}))
        body = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
        return await self.request("POST", body, headers, gone=gone)

    async def session(self, version: str = "2025-11-25", capabilities: Json | None = None) -> dict[str, str]:
        """Open a session; return the headers that its requests carry."""
        params = {
            "protocolVersion": version,
            "capabilities": ALL_ASKS if capabilities is None else capabilities,
            "clientInfo": {"name": "test", "version": "1"},
        }
        response = await self.request("POST", {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        headers = {"mcp-session-id": response.headers["mcp-session-id"], "mcp-protocol-version": version}
        await self.request("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"}, headers)
        return headers


class Response:
    """What an ASGI app sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self.news = asyncio.Event()

    def take(self, message: Json) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)
        self.news.set()

    @property
    def json(self) -> Json:
        body: Json = json.loads(self.body)
        return body

    @property
    def events(self) -> list[Json]:
        """The messages of an event stream."""
        return [json.loads(data) for _, data in self.records if data]

    @property
    def records(self) -> list[tuple[str | None, str]]:
        """Ids and data of an event stream."""
        from dovetail.core import Parser

        return [(event.id, event.data) for event in Parser(1 << 24).feed(self.body)]
