"""A server that all four watchers watch at once, and what they saw; and the ways to call it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dovetail import Context, Server, ToolError
from dovetail.core import AuditRecord
from dovetail.errors import InvalidParams
from dovetail.server import Audit, CallLog, Complete, JsonLines, Metrics, Tracing
from dovetail.wire import CallToolResult, TextContent
from tests.server.peers import STATELESS, Conversation, Http, Json, Response, accept, meta

CANARY = "c4n4ry-c4n4ry-c4n4ry"
STATEFUL = "2025-11-25"
WAYS = [(carrier, version) for carrier in ("memory", "http") for version in (STATEFUL, STATELESS)]


def samples(text: str) -> dict[str, float]:
    """Return the samples of a scrape by name and labels, as Prometheus reads them."""
    return {
        sample.name + "".join(f" {value or '-'}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Lines(logging.Handler):
    """Keeps what `JsonLines` makes of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.levels: list[str] = []
        self.lines: list[Json] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.levels.append(record.levelname)
        self.lines.append(json.loads(self.format(record)))


class Watched:
    """A server, and what its watchers saw."""

    def __init__(self, **options: Any) -> None:
        self.server = Server("watched", **options)
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.metrics = Metrics()
        self.log = Lines()
        logger = logging.Logger("calls")
        logger.addHandler(self.log)
        self.records: list[AuditRecord] = []
        self._news = asyncio.Condition()
        self.audit = Audit(self)
        for watcher in (Tracing(self.provider), self.metrics, CallLog(logger), self.audit):
            self.server.use(watcher)
        self.began = asyncio.Event()
        add_tools(self)

    def record(self, record: AuditRecord) -> None:
        self.records.append(record)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def samples(self) -> dict[str, float]:
        return samples(generate_latest(self.metrics.registry).decode())

    @property
    def in_flight(self) -> float:
        return self.samples["dovetail_calls_in_flight"]

    @property
    def counted(self) -> dict[str, float]:
        """Calls by `method name outcome revision`."""
        start = "dovetail_calls_total "
        return {key.removeprefix(start): n for key, n in self.samples.items() if key.startswith(start)}

    @property
    def outcomes(self) -> list[str]:
        """How the calls ended, which all four must agree on."""
        outcomes = [record.outcome for record in self.records]
        assert [str((span.attributes or {})["dovetail.outcome"]) for span in self.spans] == outcomes
        assert [line["outcome"] for line in self.log.lines] == outcomes
        counted = [key.split()[2] for key, n in self.counted.items() for _ in range(int(n))]
        assert sorted(counted) == sorted(outcomes)
        return outcomes

    @property
    def everything(self) -> str:
        """All that the watchers said, as text."""
        spans = [span.to_json() for span in self.spans]
        return f"{spans} {list(self.samples)} {self.log.lines} {self.records!r}"


def add_tools(watched: Watched) -> None:
    app = watched.server

    @app.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @app.tool
    def plain(a: int) -> int:
        return a

    @app.tool
    async def echo(text: str, ctx: Context) -> str:
        await ctx.progress(1)
        return text

    @app.tool
    async def says_no(why: str) -> str:
        raise ToolError(f"No: {why}")

    @app.tool
    async def breaks(with_: str) -> str:
        raise RuntimeError(f"broken by {with_}")

    @app.tool
    async def unsayable() -> CallToolResult:
        return CallToolResult(content=[TextContent(text="\ud800")])

    @app.tool
    async def refuses() -> str:
        await asyncio.sleep(0)
        raise InvalidParams("params.arguments: not today")

    @app.tool(timeout=0.01)
    async def slow() -> str:
        await asyncio.Event().wait()
        return "never"

    @app.tool
    async def waits() -> str:
        watched.began.set()
        await asyncio.Event().wait()
        return "never"

    @app.tool
    async def cuts_itself_off() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return "never"

    @app.tool
    async def asks(ctx: Context) -> str:
        answer = await ctx.elicit("Which?", str)
        return str(answer.value)

    @app.resource("note://{name}")
    async def note(name: str) -> str:
        return "noted"

    @app.prompt
    async def triage(tone: Annotated[str, Complete(["calm", "brisk"])]) -> str:
        return tone


class Caller:
    """A client of one era on one carrier."""

    def __init__(self, watched: Watched, carrier: str, version: str) -> None:
        self.watched = watched
        self.version = version
        self.wire: Any = Http(watched.server.asgi()) if carrier == "http" else Conversation(watched.server)
        self.session: dict[str, str] = {}
        self._next = 100

    async def open(self) -> None:
        if self.version != STATELESS:
            opened = self.wire.session() if isinstance(self.wire, Http) else self.wire.open()
            self.session = await opened if isinstance(self.wire, Http) else (await opened) and {}

    async def send(self, method: str, gone: asyncio.Event | None = None, **params: Any) -> Json:
        """Call; over HTTP the client leaves when `gone` is set."""
        self._next += 1
        if not isinstance(self.wire, Http):
            extra = {"_meta": meta()} if self.version == STATELESS else {}
            answer: Json = await self.wire.call(method, **params, **extra)
            return answer
        response = await self._http(method, params, gone)
        return (response.events[-1] if "event-stream" in response.headers["content-type"] else response.json) or {}

    async def _http(self, method: str, params: Json, gone: asyncio.Event | None) -> Response:
        if self.version == STATELESS:
            return await self.wire.modern(method, params, identifier=self._next, gone=gone)  # type: ignore[no-any-return]
        body = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        return await self.wire.request("POST", body, self.session, gone=gone)  # type: ignore[no-any-return]

    async def tool(self, name: str, **arguments: Any) -> Json:
        return await self.send("tools/call", name=name, arguments=arguments)

    async def cancelled(self) -> None:
        """Begin a call that waits, and cancel it as this era does on this carrier."""
        if isinstance(self.wire, Http) and self.version == STATELESS:
            gone = asyncio.Event()
            call = asyncio.create_task(self.wire.modern("tools/call", {"name": "waits", "arguments": {}}, gone=gone))
            await self.watched.began.wait()
            gone.set()
            await call
            return
        notice: Json = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        if isinstance(self.wire, Http):
            params = {"name": "waits", "arguments": {}}
            body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
            call = asyncio.create_task(self.wire.request("POST", body, self.session))
            await self.watched.began.wait()
            await self.wire.request("POST", notice | {"params": {"requestId": 7}}, self.session)
            await call
            return
        extra = {"_meta": meta()} if self.version == STATELESS else {}
        identifier = self.wire.begin("tools/call", {"name": "waits", "arguments": {}, **extra})
        await self.watched.began.wait()
        self.wire.send(notice | {"params": {"requestId": identifier}})
        await self.send("tools/list")

    async def close(self) -> None:
        if isinstance(self.wire, Http):
            await self.wire.app.stop()
        else:
            await self.wire.close()


@asynccontextmanager
async def calling(watched: Watched, carrier: str, version: str) -> AsyncIterator[Caller]:
    caller = Caller(watched, carrier, version)
    if isinstance(caller.wire, Conversation):
        caller.wire.answers["elicitation/create"] = accept(value="main")
    await caller.open()
    yield caller
    await caller.close()
