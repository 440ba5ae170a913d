"""The floors: the least that any ASGI or asyncio program can do - decode, add, encode. No checks, no protocol.

floor.py stdio
floor.py http PORT MODE        MODE: plain, await (yields to the loop once), list, listen
"""

import asyncio
import sys
from typing import Any

import msgspec

SERVER_INFO = {"io.modelcontextprotocol/serverInfo": {"name": "bench", "version": "1.0.0"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}


class Arguments(msgspec.Struct):
    a: int = 0
    b: int = 0


class Params(msgspec.Struct):
    arguments: Arguments = msgspec.field(default_factory=Arguments)
    name: str = ""


class Call(msgspec.Struct):
    method: str
    params: Params = msgspec.field(default_factory=Params)
    id: msgspec.Raw = msgspec.Raw(b"null")


class Text(msgspec.Struct):
    text: str
    type: str = "text"


class Sum(msgspec.Struct):
    result: int


class Result(msgspec.Struct, rename="camel"):
    content: list[Text]
    structured_content: int
    result_type: str = "complete"
    meta: dict[str, Any] = msgspec.field(name="_meta", default_factory=lambda: SERVER_INFO)


class OldResult(msgspec.Struct, rename="camel"):
    content: list[Text]
    structured_content: Sum


class Answer(msgspec.Struct):
    id: msgspec.Raw
    result: Any
    jsonrpc: str = "2.0"


decode = msgspec.json.Decoder(Call).decode
encode = msgspec.json.Encoder().encode


def answer(call: Call) -> bytes:
    total = call.params.arguments.a + call.params.arguments.b
    return encode(Answer(call.id, Result([Text(str(total))], total)))


def old_answer(call: Call) -> bytes:
    total = call.params.arguments.a + call.params.arguments.b
    return encode(Answer(call.id, OldResult([Text(str(total))], Sum(total))))


# HTTP


class Listing:
    """The list of tools, encoded anew only when one was added."""

    def __init__(self) -> None:
        self.tools = [self.tool(n) for n in range(1000)]
        self.encoded = b""

    def tool(self, n: int) -> dict[str, Any]:
        return {"name": f"tool_{n}", "description": f"Add two numbers, {n}.", "inputSchema": SCHEMA}

    def grow(self) -> None:
        self.tools.append(self.tool(len(self.tools)))
        self.encoded = b""

    def answer(self, call: Call) -> bytes:
        if call.method != "tools/list":
            self.grow()
            return answer(call)
        if not self.encoded:
            result = {"tools": self.tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            self.encoded = encode(result | {"_meta": SERVER_INFO})
        return encode(Answer(call.id, msgspec.Raw(self.encoded)))


def broadcaster() -> Any:
    """Streams that wait, and a call that all of them are told of."""
    waiting: list[asyncio.Future[None]] = []
    acknowledged, changed = "notifications/subscriptions/acknowledged", "notifications/tools/list_changed"

    def event(call: Call, method: str) -> bytes:
        meta = {"io.modelcontextprotocol/subscriptionId": call.id}
        return b"data: " + encode({"jsonrpc": "2.0", "method": method, "params": {"_meta": meta}}) + b"\n\n"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        call = decode((await receive())["body"])
        if call.method == "tools/call":
            told, waiting[:] = waiting[:], []
            for future in told:
                future.set_result(None)
            data = answer(call)
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": data})
            return
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": event(call, acknowledged), "more_body": True})
        leaving = asyncio.ensure_future(receive())
        while not leaving.done():
            waiting.append(asyncio.get_running_loop().create_future())
            await asyncio.wait([leaving, waiting[-1]], return_when=asyncio.FIRST_COMPLETED)
            await send({"type": "http.response.body", "body": event(call, changed), "more_body": True})

    return app


def application(mode: str) -> Any:
    if mode == "listen":
        return broadcaster()
    listing = Listing() if mode == "list" else None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        call = decode(body)
        if mode == "await":
            await asyncio.sleep(0)
        session = [] if call.method != "initialize" else [(b"mcp-session-id", b"floor")]
        if listing is not None:
            data = listing.answer(call)
        else:
            data = answer(call) if b'"io.modelcontextprotocol/protocolVersion"' in body else old_answer(call)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)), *session]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    return app


def serve_http(port: int, mode: str) -> None:
    import uvicorn

    uvicorn.run(application(mode), port=port, access_log=False, log_level="warning", lifespan="off")


# stdio


def greeting(call: Call) -> bytes:
    """What a client has to hear before its first call, of either era."""
    known = {"capabilities": {"tools": {}}, "serverInfo": SERVER_INFO["io.modelcontextprotocol/serverInfo"]}
    match call.method:
        case "tools/list":
            tool = {"name": "add", "inputSchema": SCHEMA}
            result = {"tools": [tool], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        case "initialize":
            result = known | {"protocolVersion": "2025-11-25"}
        case _:
            result = known | {"supportedVersions": ["2026-07-28"], "resultType": "complete"}
            result |= {"ttlMs": 0, "cacheScope": "private", "_meta": SERVER_INFO}
    return encode(Answer(call.id, result)) if call.id != msgspec.Raw(b"null") else b""


class Lines(asyncio.Protocol):
    def __init__(self, output: asyncio.WriteTransport, done: asyncio.Event) -> None:
        self.output = output
        self.done = done
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        found = [decode(line) for line in lines]
        answers = [answer(call) if call.method == "tools/call" else greeting(call) for call in found]
        answers.append(b"")
        self.output.write(b"\n".join(answers))

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set()


async def serve_stdio() -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    output, _ = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    await loop.connect_read_pipe(lambda: Lines(output, done), sys.stdin)
    await done.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        serve_http(int(sys.argv[2]), sys.argv[3])
    else:
        asyncio.run(serve_stdio())
