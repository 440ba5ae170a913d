"""Our client visits the same shop on other people's servers: each SDK, transport and era; it sees what it should.

The official Python SDK, FastMCP and the TypeScript SDK's server package run as processes of their own. The 1.x
TypeScript SDK is visited as server-everything, in `test_npm_servers.py`. In the modern era the client is not told which
revision to speak: that it finds the newest one is part of the test.
"""

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import PeerError
from dovetail.wire import ElicitRequestParams, PromptReference, ResourceTemplateReference
from tests.conformance.run import node, running
from tests.house import ROOT

pytestmark = pytest.mark.timeout(120)

PYTHON = f"{ROOT / '.venv-peers' / 'bin' / 'python'} {Path(__file__).parent / 'python_server.py'}"
SERVERS = {
    "official-python": f"{PYTHON} sdk",
    "fastmcp": f"{PYTHON} fastmcp",
    "typescript": f"{node()} {ROOT / 'tests' / 'npm' / 'typescript_server.mjs'}",
}
WAYS = [
    (server, transport, era)
    for server in SERVERS
    for transport in ("stdio", "http", "sse")
    for era in ("legacy", "modern")
    if transport != "sse" or (era == "legacy" and server != "typescript")  # 2.x of that SDK has no such transport
]
REVISIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}
QUESTION = "How many of tea?"
SEEN: dict[str, Any] = {
    "call": ["5", {"result": 5}],
    "error": [True, True],
    "unknown": True,
    "resource": "Monday to Friday, 9 to 17",
    "template": ["policy://{topic}", "Refunds are paid within 14 days."],
    "prompt": "Sort this ticket in a brisk tone: Where is it?",
    "completion": [["brisk"], ["refunds", "returns"]],
    "progress": [[1, 3, "Counted to 1"], [2, 3, "Counted to 2"], [3, 3, "Counted to 3"]],
    "log": ["warning", True],
    "elicitation": [[QUESTION], "Ordered 2 x tea, as a gift."],
    "sampling": [["A poem, please."], "assistant: Roses are red."],
    "roots": "file:///srv/shop",
    "cancellation": ["1", "0"],
    "notice": ["tools", True],
    "update": ["resource", "shop://hours"],
}


class Visit:
    """One client's visit, and what it saw."""

    def __init__(self) -> None:
        self.saw: dict[str, Any] = {}
        self.asked: list[str] = []
        self.sampled: list[str] = []
        self.logged: list[Any] = []

    async def on_elicit(self, question: ElicitRequestParams) -> dict[str, Any]:
        self.asked.append(question.message)
        return {"quantity": 2, "gift": True}

    def on_sample(self, wanted: Any) -> str:
        content = wanted.messages[0].content
        self.sampled.append((content[0] if isinstance(content, list) else content).text)
        return "Roses are red."

    async def basics(self, client: Client) -> None:
        saw = self.saw
        saw["revision"] = client.server.revision.version
        saw["tools"] = sorted(tool.name for tool in await client.list_tools())
        result = await client.call_tool("add", {"a": 2, "b": 3})
        saw["call"] = [result.text, result.structured]
        result = await client.call_tool("divide", {"a": 1, "b": 0})
        saw["error"] = [result.is_error, "Nothing can be divided by zero." in result.text]
        saw["unknown"] = await refused(client)
        saw["resource"] = await read(client, "shop://hours")
        templates = await client.list_resource_templates()
        saw["template"] = [templates[0].uri_template, await read(client, "policy://refunds")]
        prompt = await client.get_prompt("triage", {"ticket": "Where is it?", "tone": "brisk"})
        saw["prompt"] = getattr(prompt.messages[0].content, "text", None)
        saw["completion"] = [
            (await client.complete(PromptReference(name="triage"), "tone", "b")).values,
            (await client.complete(ResourceTemplateReference(uri="policy://{topic}"), "topic", "re")).values,
        ]
        await client.ping()

    async def flow(self, client: Client) -> None:
        saw, steps = self.saw, list[list[Any]]()
        await client.call_tool("count", {"to": 3}, on_progress=lambda p: steps.append([p.progress, p.total, p.message]))
        saw["progress"] = steps
        await client.call_tool("note")
        saw["log"] = [(self.logged[0].level), "The shop closes soon" in str(self.logged[0].data)]
        saw["elicitation"] = [self.asked, (await client.call_tool("order", {"item": "tea"})).text]
        saw["sampling"] = [self.sampled, (await client.call_tool("praise")).text]
        saw["roots"] = (await client.call_tool("where")).text

    async def cancellation(self, client: Client) -> None:
        started = asyncio.Event()
        call = asyncio.create_task(client.call_tool("wait", on_progress=lambda _: started.set()))
        await started.wait()
        inside = await read(client, "shop://queue")
        call.cancel()
        await asyncio.wait([call])
        after = inside
        for _ in range(500):
            after = await read(client, "shop://queue")
            if after == "0":
                break
        self.saw["cancellation"] = [inside, after]

    async def notice(self, client: Client) -> None:
        async with client.listen(tools=True) as changes:
            await client.call_tool("learn")
            kind = (await anext(changes)).kind
        self.saw["notice"] = [kind, "shout" in [tool.name for tool in await client.list_tools()]]

    async def update(self, client: Client) -> None:
        async with client.listen(resources=["shop://hours"]) as changes:
            await client.call_tool("touch")
            change = await anext(changes)
            self.saw["update"] = [change.kind, change.uri]

    async def run(self, target: Any, era: str, *, listens: bool, updates: bool) -> None:
        options: dict[str, Any] = {"revision": REVISIONS[era]} if era == "legacy" else {}
        steps = [self.basics, self.flow, self.cancellation]
        steps += [self.notice] if listens else []
        steps += [self.update] if updates else []
        client = Client(
            target,
            on_elicit=self.on_elicit,
            on_sample=self.on_sample,
            roots=["/srv/shop"],
            on_log=self.logged.append,
            **options,
        )
        async with client:
            for step in steps:
                async with asyncio.timeout(20):
                    await step(client)
            if not listens:
                self.saw["notice"] = await unheard(client)


async def read(client: Client, uri: str) -> str | None:
    return (await client.read_resource(uri)).contents[0].text


async def refused(client: Client) -> bool:
    """Tell whether a tool that does not exist is refused; the revisions and the peers differ in how."""
    try:
        return (await client.call_tool("no_such_tool")).is_error
    except PeerError as error:
        return error.code == -32602


async def unheard(client: Client) -> int:
    """Return the error of listening to a server that offers no changes."""
    try:
        async with client.listen(tools=True):
            return 0
    except PeerError as error:
        return error.code


def listens(server: str, era: str) -> bool:
    return (server, era) != ("fastmcp", "modern")  # FastMCP 4.1 does not serve subscriptions/listen


def updates(server: str, era: str) -> bool:
    return server != "fastmcp" and era == "modern"  # these peers take no resources/subscribe; server-everything does


@cache
def seen(server: str, transport: str, era: str, folder: Path) -> dict[str, Any]:
    visit = Visit()

    def go(target: Any) -> dict[str, Any]:
        asyncio.run(visit.run(target, era, listens=listens(server, era), updates=updates(server, era)))
        return visit.saw

    if transport == "stdio":
        return go([*SERVERS[server].split(), "stdio"])
    with running(f"{SERVERS[server]} {transport} {{port}}", folder / f"{server}.log") as url:
        return go(url if transport == "http" else url.replace("/mcp", "/sse"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("servers"))


@pytest.mark.parametrize(("server", "transport", "era"), WAYS)
def test_the_client_finds_the_newest_revision_or_speaks_the_one_that_it_is_told(
    server: str, transport: str, era: str, folder: Path
) -> None:
    saw = seen(server, transport, era, folder)
    assert saw["revision"] == REVISIONS[era]
    assert {"add", "count", "divide", "learn", "note", "order", "praise", "wait", "where"} <= set(saw["tools"])


@pytest.mark.parametrize("what", SEEN)
@pytest.mark.parametrize(("server", "transport", "era"), WAYS)
def test_the_client_sees_what_a_server_offers(server: str, transport: str, era: str, what: str, folder: Path) -> None:
    saw = seen(server, transport, era, folder)
    if what == "notice" and not listens(server, era):
        assert saw["notice"] == -32601
    elif what == "update" and not updates(server, era):
        assert "update" not in saw
    elif what == "call" and era == "legacy" and server == "typescript":
        assert saw["call"][1] == {"result": 5}
    else:
        assert saw[what] == SEEN[what]
