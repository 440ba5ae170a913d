"""Our client visits the reference servers from npm, which stand on the TypeScript SDK 1.x, and uses all they offer.

server-everything is visited over each transport that it has: stdio, Streamable HTTP and the 2024-11-05 one.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import PeerError
from dovetail.wire import (
    EmbeddedResource,
    ImageContent,
    LoggingMessageNotificationParams,
    PromptReference,
    ResourceLink,
    ResourceTemplateReference,
    TextContent,
)
from tests.conformance.run import free_port, node, running
from tests.house import ROOT

pytestmark = pytest.mark.timeout(60)

MODULES = ROOT / "tests" / "npm" / "node_modules" / "@modelcontextprotocol"
EVERYTHING = [node(), str(MODULES / "server-everything" / "dist" / "index.js")]
FILESYSTEM = [node(), str(MODULES / "server-filesystem" / "dist" / "index.js")]
MEMORY = [node(), str(MODULES / "server-memory" / "dist" / "index.js")]
TEXT = "demo://resource/dynamic/text/1"
TRANSPORTS = {"stdio": "", "streamableHttp": "/mcp", "sse": "/sse"}


@contextmanager
def everything(transport: str, log: Path, port: int | None = None) -> Iterator[Any]:
    """Yield what to point a client at."""
    if transport == "stdio":
        yield [*EVERYTHING, "stdio"]
        return
    command = f"env PORT={{port}} {' '.join(EVERYTHING)} {transport}"
    with running(command, log, port) as url:
        yield url.replace("/mcp", TRANSPORTS[transport])


class User:
    """Who answers the server's questions."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str | None]] = []
        self.logged: asyncio.Queue[LoggingMessageNotificationParams] = asyncio.Queue()

    async def on_elicit(self, question: Any) -> dict[str, Any]:
        self.asked.append((question.mode, question.url))
        return {} if question.mode == "url" else {"name": "Ann", "check": True}

    def options(self) -> dict[str, Any]:
        return {
            "on_elicit": self.on_elicit,
            "on_sample": lambda wanted: f"Written in {wanted.max_tokens} tokens.",
            "roots": ["/srv/shop"],
            "on_log": self.logged.put_nowait,
            "log_level": "debug",
            "visit": 0.1,
        }


@pytest.fixture(params=TRANSPORTS)
async def visit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Client, User]]:
    user = User()
    with everything(request.param, tmp_path / "server.log") as target:
        async with Client(target, **user.options()) as client, asyncio.timeout(30):
            yield client, user


async def test_it_speaks_the_stateful_era_and_lists_all_it_has(visit: tuple[Client, User]) -> None:
    client, _ = visit
    assert client.server.revision.version == "2025-11-25"
    assert client.server.info is not None
    assert client.server.info.name == "mcp-servers/everything"
    assert client.server.instructions
    tools = {tool.name for tool in await client.list_tools()}
    # The last three are there for clients that can be asked only.
    assert {"echo", "get-sum", "trigger-elicitation-request", "trigger-sampling-request", "get-roots-list"} <= tools
    assert len(await client.list_resources()) == 7
    assert len(await client.list_resource_templates()) == 2
    assert {prompt.name for prompt in await client.list_prompts()} >= {"simple-prompt", "args-prompt"}
    await client.ping()


async def test_every_kind_of_content_arrives(visit: tuple[Client, User]) -> None:
    client, _ = visit
    assert (await client.call_tool("echo", {"message": "ünï"})).text == "Echo: ünï"
    assert (await client.call_tool("get-sum", {"a": 1, "b": 2})).text == "The sum of 1 and 2 is 3."
    kinds: dict[str, tuple[dict[str, Any], list[type]]] = {
        "get-tiny-image": ({}, [TextContent, ImageContent, TextContent]),
        "get-resource-links": ({"count": 2}, [TextContent, ResourceLink, ResourceLink]),
        "get-resource-reference": (
            {"resourceType": "Text", "resourceId": 1},
            [TextContent, EmbeddedResource, TextContent],
        ),
        "gzip-file-as-resource": ({"name": "tea.gz", "data": "data:text/plain,tea"}, [ResourceLink]),
    }
    for name, (arguments, expected) in kinds.items():
        assert [type(block) for block in (await client.call_tool(name, arguments)).content] == expected
    noted = await client.call_tool("get-annotated-message", {"messageType": "error", "includeImage": True})
    assert noted.content[0].annotations is not None
    assert noted.content[0].annotations.priority == 1
    await client.list_tools()
    weather = await client.call_tool("get-structured-content", {"location": "New York"})
    assert weather.data.temperature == weather.structured["temperature"]


async def test_errors_arrive_as_results_or_as_refusals(visit: tuple[Client, User]) -> None:
    client, _ = visit
    assert (await client.call_tool("get-sum", {"a": "x"})).is_error
    assert (await client.call_tool("no-such-tool")).is_error
    with pytest.raises(PeerError):
        await client.read_resource("demo://nothing")
    # It is a task of 2025-11-25 only, which we do not speak: the server says so.
    assert (await client.call_tool("simulate-research-query", {"topic": "tea"})).is_error


async def test_resources_prompts_and_completion(visit: tuple[Client, User]) -> None:
    client, _ = visit
    uris = [TEXT, "demo://resource/dynamic/blob/1", "demo://nothing"]
    read = await client.read_resources(uris)
    assert isinstance(read[uris[2]], PeerError)
    assert getattr(read[uris[0]], "contents")[0].text.startswith("Resource 1: This is a plaintext resource")  # noqa: B009
    assert getattr(read[uris[1]], "contents")[0].blob  # noqa: B009
    assert getattr((await client.get_prompt("simple-prompt")).messages[0].content, "text", "")
    prompt = await client.get_prompt("args-prompt", {"city": "Paris"})
    assert getattr(prompt.messages[0].content, "text", "") == "What's weather in Paris?"
    prompt = await client.get_prompt("resource-prompt", {"resourceType": "Text", "resourceId": "1"})
    assert isinstance(prompt.messages[1].content, EmbeddedResource)
    of = PromptReference(name="completable-prompt")
    assert (await client.complete(of, "department", "E")).values == ["Engineering"]
    names = await client.complete(of, "name", "", {"department": "Engineering"})
    assert names.values == ["Alice", "Bob", "Charlie"]
    template = ResourceTemplateReference(uri="demo://resource/dynamic/text/{resourceId}")
    assert (await client.complete(template, "resourceId", "7")).values == ["7"]


async def test_questions_of_every_kind_are_answered(visit: tuple[Client, User]) -> None:
    client, user = visit
    form = (await client.call_tool("trigger-elicitation-request")).text
    assert "- Name: Ann" in form
    assert "- Favorite Integer: 42" in form  # a default that the form's schema gives
    sampled = await client.call_tool("trigger-sampling-request", {"prompt": "tea", "maxTokens": 5})
    assert "Written in 5 tokens." in sampled.text
    assert "file:///srv/shop" in (await client.call_tool("get-roots-list")).text
    url = "https://example.com/pay"
    paid = await client.call_tool("trigger-url-elicitation", {"url": url, "elicitationId": "one"})
    assert "User completed the URL elicitation flow" in paid.text
    assert user.asked == [("form", None), ("url", url)]


@pytest.mark.req("C-01")
async def test_a_call_that_needs_a_visit_is_made_again_after_it_also_when_nobody_says_that_it_is_over(
    visit: tuple[Client, User],
) -> None:
    client, user = visit
    url = "https://example.com/pay"
    arguments = {"url": url, "elicitationId": "two", "errorPath": True}
    assert "User completed" in (await client.call_tool("trigger-url-elicitation", arguments)).text
    assert user.asked == [("url", "https://modelcontextprotocol.io"), ("url", url)]


async def test_progress_logs_and_updates_arrive(visit: tuple[Client, User]) -> None:
    client, user = visit
    steps: list[list[float | None]] = []
    await client.call_tool(
        "trigger-long-running-operation",
        {"duration": 0.2, "steps": 4},
        on_progress=lambda progress: steps.append([progress.progress, progress.total]),
    )
    assert steps == [[1, 4], [2, 4], [3, 4], [4, 4]]
    async with client.listen(resources=[TEXT]) as changes:
        await client.call_tool("toggle-subscriber-updates")
        change = await anext(changes)
        await client.call_tool("toggle-subscriber-updates")
    assert (change.kind, change.uri) == ("resource", TEXT)
    while "Subscribe Resource request" not in str((await user.logged.get()).data):
        pass


async def test_a_call_that_is_cancelled_ends_at_once_and_disturbs_none_after_it(visit: tuple[Client, User]) -> None:
    client, _ = visit
    begun = asyncio.Event()
    work = {"duration": 20, "steps": 200}
    call = asyncio.create_task(
        client.call_tool("trigger-long-running-operation", work, on_progress=lambda _: begun.set())
    )
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await client.call_tool("echo", {"message": "after"})).text == "Echo: after"


async def test_a_change_of_the_roots_is_told(visit: tuple[Client, User]) -> None:
    client, user = visit
    await client.call_tool("get-roots-list")
    await client.roots_changed()
    while "Roots updated: 1" not in str((await user.logged.get()).data):
        pass


async def test_a_list_that_grows_is_heard_of(visit: tuple[Client, User]) -> None:
    client, _ = visit
    async with client.listen(resources=True) as changes:
        await client.call_tool("gzip-file-as-resource", {"name": "new.gz", "data": "data:text/plain,new"})
        assert (await anext(changes)).kind == "resources"
    assert "demo://resource/session/new.gz" in [resource.uri for resource in await client.list_resources()]


@pytest.mark.parametrize("transport", ["streamableHttp", "sse"])
async def test_after_a_restart_that_forgot_the_session_the_next_call_succeeds(transport: str, tmp_path: Path) -> None:
    """This server answers an unknown session with 400 and an error of its own, not with 404 as it should."""
    port = free_port()
    with everything(transport, tmp_path / "first.log", port) as url:
        client = Client(url)
        await client.connect()
        assert (await client.call_tool("echo", {"message": "one"})).text == "Echo: one"
        link = await client._conversation.connection.link()
    if transport == "sse":  # its one stream is gone, and that is known at once
        await link.ended()
    with everything(transport, tmp_path / "second.log", port):
        assert (await client.call_tool("echo", {"message": "two"})).text == "Echo: two"
        await client.aclose()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path.resolve() / "home"
    for folder in (home, tmp_path / "second", tmp_path / "third"):
        folder.mkdir()
    (home / "a.txt").write_text("one\ntwo\n")
    (home / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")
    return home


async def test_the_filesystem_server_does_all_that_it_can(home: Path) -> None:
    async with Client([*FILESYSTEM, str(home)]) as client:
        hints = {tool.name: tool.annotations for tool in await client.list_tools()}
        assert hints["read_text_file"] is not None
        assert hints["read_text_file"].read_only_hint

        async def said(tool: str, **arguments: Any) -> str:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.text
            return result.text

        assert str(home) in await said("list_allowed_directories")
        assert await said("read_text_file", path=str(home / "a.txt"), head=1) == "one"
        media = await client.call_tool("read_media_file", {"path": str(home / "p.png")})
        assert isinstance(media.content[0], ImageContent)
        assert "ENOENT" in await said("read_multiple_files", paths=[str(home / "a.txt"), str(home / "none")])
        await said("write_file", path=str(home / "b.txt"), content="ünï")
        assert (home / "b.txt").read_text() == "ünï"
        edits = [{"oldText": "two", "newText": "three"}]
        assert "+three" in await said("edit_file", path=str(home / "a.txt"), edits=edits)
        await said("create_directory", path=str(home / "sub"))
        await said("move_file", source=str(home / "b.txt"), destination=str(home / "sub" / "b.txt"))
        assert "[DIR] sub" in await said("list_directory", path=str(home))
        assert "Total: 2 files" in await said("list_directory_with_sizes", path=str(home))
        assert '"sub"' in await said("directory_tree", path=str(home))
        assert "b.txt" in await said("search_files", path=str(home), pattern="**/*.txt")
        assert "size: 10" in await said("get_file_info", path=str(home / "a.txt"))
        assert (await client.call_tool("read_text_file", {"path": "/etc/passwd"})).is_error


async def test_the_filesystem_server_works_in_the_roots_of_the_client(home: Path) -> None:
    roots = [home.parent / "second"]
    async with Client([*FILESYSTEM, str(home)], roots=lambda: roots) as client, asyncio.timeout(20):
        await until_allowed(client, roots[0])
        roots[:] = [home.parent / "third"]
        await client.roots_changed()
        await until_allowed(client, roots[0])


async def until_allowed(client: Client, home: Path) -> None:
    while (await client.call_tool("list_allowed_directories")).text != f"Allowed directories:{os.linesep}{home}":
        pass


async def test_the_memory_server_remembers_and_forgets(tmp_path: Path) -> None:
    ann = {"name": "Ann", "entityType": "person", "observations": ["likes tea"]}
    shop = {"name": "Shop", "entityType": "place", "observations": []}
    visits = {"from": "Ann", "to": "Shop", "relationType": "visits"}
    async with Client(MEMORY, env={"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}) as client:
        await client.list_tools()
        made = await client.call_tool("create_entities", {"entities": [ann, shop]})
        assert [entity.name for entity in made.data.entities] == ["Ann", "Shop"]
        await client.call_tool("create_relations", {"relations": [visits]})
        more = {"observations": [{"entityName": "Ann", "contents": ["pays cash"]}]}
        assert (await client.call_tool("add_observations", more)).structured["results"][0]["addedObservations"]
        assert (await client.call_tool("search_nodes", {"query": "tea"})).structured["entities"][0]["name"] == "Ann"
        found = await client.call_tool("open_nodes", {"names": ["Ann", "Shop"]})
        assert found.structured["relations"] == [visits]
        async with client.listen(resources=[GRAPH]) as changes, asyncio.timeout(10):
            await client.call_tool("delete_relations", {"relations": [visits]})
            assert (await anext(changes)).uri == GRAPH
        gone = {"deletions": [{"entityName": "Ann", "observations": ["likes tea"]}]}
        await client.call_tool("delete_observations", gone)
        await client.call_tool("delete_entities", {"entityNames": ["Shop"]})
        graph = await client.call_tool("read_graph")
        assert graph.structured == {"entities": [{**ann, "observations": ["pays cash"]}], "relations": []}
        nobody = {"observations": [{"entityName": "Nobody", "contents": ["x"]}]}
        assert (await client.call_tool("add_observations", nobody)).is_error
        assert [resource.uri for resource in await client.list_resources()] == [GRAPH]
        assert '"Ann"' in ((await client.read_resource(GRAPH)).contents[0].text or "")


GRAPH = "memory://knowledge-graph"
