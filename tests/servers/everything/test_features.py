"""Each feature of the everything server on each of the five revisions: what arrives, or in which words it does not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from dovetail import Client
from dovetail.client import Changes
from dovetail.errors import HttpFailure, PeerError
from dovetail.revisions import REVISIONS, Revision, revision_for
from dovetail.servers.everything import Settings, make
from dovetail.wire import (
    AudioContent,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    EmbeddedResource,
    ImageContent,
    PromptReference,
    ResourceLink,
    ResourceTemplateReference,
    TextContent,
    ToolUseContent,
)

V = [revision.version for revision in REVISIONS]
OLDEST, MARCH, JUNE, NOVEMBER, NEWEST = V


@dataclass
class Seen:
    """A client with everything switched on, and what it was asked and told."""

    client: Client
    revision: Revision
    asked: list[str] = field(default_factory=list)
    logs: list[Any] = field(default_factory=list)

    def since(self, version: str) -> bool:
        known = revision_for(version)
        return known is not None and self.revision.index >= known.index

    async def text(self, tool: str, **arguments: Any) -> str:
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.text
        return result.text

    async def error(self, tool: str, **arguments: Any) -> str:
        """What an error says, be it a result or one of the protocol."""
        try:
            result = await self.client.call_tool(tool, arguments)
        except PeerError as error:
            return str(error)
        assert result.is_error
        return result.text


@asynccontextmanager
async def seen(version: str, target: Any = None, **options: Any) -> AsyncIterator[Seen]:
    asked: list[str] = []
    logs: list[Any] = []

    async def on_elicit(question: ElicitRequestParams) -> dict[str, Any]:
        asked.append(f"form {question.message}" if question.mode != "url" else f"url {question.url}")
        if question.requested_schema is None:
            return {}
        return {name: _filled(name, schema) for name, schema in question.requested_schema.properties.items()}

    async def on_sample(request: CreateMessageRequestParams) -> CreateMessageResult | str:
        asked.append(f"sample {len(request.messages)}")
        if request.tools and len(request.messages) == 1:
            use = ToolUseContent(id="u1", name="add", input={"a": 2, "b": 3})
            return CreateMessageResult(role="assistant", content=[use], model="m", stop_reason="toolUse")
        return CreateMessageResult(role="assistant", content=TextContent(text="five"), model="m")

    given: dict[str, Any] = {
        "on_elicit": on_elicit,
        "on_sample": on_sample,
        "roots": [Path("/srv/data")],
        "on_log": logs.append,
        "log_level": "warning",
        "extensions": {"com.example/everything": {}},
        "visit": 0.01,
        **options,
    }
    revision = revision_for(version)
    assert revision is not None
    async with Client(target or make(Settings(beat=0.01)), revision=version, **given) as client:
        yield Seen(client, revision, asked, logs)


def _filled(name: str, schema: Any) -> Any:
    known = {
        "name": "Ada", "email": "ada@example.com", "homepage": "https://example.com/", "birthday": "1815-12-10",
        "appointment": "2026-01-01T10:00:00Z", "age": 36, "height": 1.65, "newsletter": True, "color": "blue",
        "pet": "dog", "hero": "h1", "fruit": ["cherry"], "days": ["sun"], "theme": "sea", "guests": 7, "food": "soup",
        "music": True,
    }  # fmt: skip
    if name in known:
        return known[name]
    kind = type(schema).__name__
    if kind == "StringSchema":
        return (schema.enum or ["words"])[0]
    return {"IntegerSchema": 7, "BooleanSchema": True}[kind]


async def text(s: Seen) -> None:
    assert await s.text("echo", message="hello") == "Echo: hello"


async def structured(s: Seen) -> None:
    result = await s.client.call_tool("get-structured-content", {"location": "Chicago"})
    tool = next(each for each in await s.client.list_tools() if each.name == "get-structured-content")
    if s.since(JUNE):
        assert result.data.conditions == "Light rain"
        assert tool.output_schema is not None
    else:
        assert not result.has_structured and tool.output_schema is UNSET
    assert '"Light rain"' in result.text


async def structured_scalar(s: Seen) -> None:
    result = await s.client.call_tool("get-sum", {"a": 1, "b": 2})
    assert result.text == "3"
    for a, b, text in ((0.5, 0.25, "0.75"), (1.5, 1.5, "3"), (-1, 1, "0"), (1e300, 1, "1e300")):
        assert (await s.client.call_tool("get-sum", {"a": a, "b": b})).text == text
    if s.since(NEWEST):
        assert result.structured == 3
    elif s.since(JUNE):
        assert result.structured == {"value": 3}
    else:
        assert not result.has_structured


@pytest.mark.parametrize("version", V)
@pytest.mark.parametrize(
    ("kind", "value"), [("array", [1, 2]), ("null", None), ("text", "words"), ("object", {"a": 1})]
)
async def test_structured_content_of_any_kind(version: str, kind: str, value: Any) -> None:
    async with seen(version) as s:
        result = await s.client.call_tool("get-any-structured-content", {"kind": kind})
        if not s.since(JUNE):
            assert not result.has_structured
        elif s.since(NEWEST) or kind == "object":
            assert result.has_structured and result.structured == value
        else:
            assert result.structured == {"value": value}


async def image(s: Seen) -> None:
    result = await s.client.call_tool("get-tiny-image")
    assert isinstance(result.content[1], ImageContent) and result.content[1].mime_type == "image/png"


async def audio(s: Seen) -> None:
    block = (await s.client.call_tool("get-tiny-audio")).content[1]
    if s.since(MARCH):
        assert isinstance(block, AudioContent) and block.mime_type == "audio/wav"
    else:
        assert isinstance(block, TextContent) and "audio" in block.text


async def embedded(s: Seen) -> None:
    for kind in ("text", "blob"):
        block = (await s.client.call_tool("get-resource-reference", {"kind": kind, "resource_id": 7})).content[0]
        assert isinstance(block, EmbeddedResource)
        assert block.resource.uri == f"demo://resource/dynamic/{kind}/7"
        assert (block.resource.text is None) == (kind == "blob")


async def links(s: Seen) -> None:
    blocks = (await s.client.call_tool("get-resource-links", {"count": 2})).content
    if s.since(JUNE):
        link = blocks[1]
        assert isinstance(link, ResourceLink) and link.title == "Text 1"
        assert (link.icons is not None) == s.since(NOVEMBER)
        assert (await s.client.read_resource(link.uri)).contents[0].text == "Resource 1: this is a text."
    else:
        assert all(isinstance(block, TextContent) for block in blocks)


async def annotations(s: Seen) -> None:
    result = await s.client.call_tool("get-annotated-message", {"message_type": "error", "include_image": True})
    found = result.content[0].annotations
    assert found is not None and (found.priority, found.audience) == (1.0, ["user", "assistant"])
    assert (found.last_modified is not None) == s.since(JUNE)
    assert isinstance(result.content[1], ImageContent)


async def every_content(s: Seen) -> None:
    kinds = [type(block).__name__ for block in (await s.client.call_tool("get-every-content")).content]
    lacking = {"AudioContent": MARCH, "ResourceLink": JUNE}
    wanted = ["TextContent", "ImageContent", "AudioContent", "EmbeddedResource", "EmbeddedResource", "ResourceLink"]
    assert kinds == [k if k not in lacking or s.since(lacking[k]) else "TextContent" for k in wanted]


async def metadata(s: Seen) -> None:
    result = await s.client.call_tool("get-metadata")
    assert result.meta["com.example/answer"] == 42
    assert ("io.modelcontextprotocol/clientCapabilities" in result.text) == s.since(NEWEST)


async def errors(s: Seen) -> None:
    for how, told in (("tool", "as you asked"), ("crash", "Internal error"), ("timeout", "did not finish within")):
        result = await s.client.call_tool("fail", {"how": how})
        assert result.is_error and told in result.text
        assert "accident" not in result.text
    for how, code in (("protocol", -32602), ("resource", s.revision.resource_missing)):
        with pytest.raises(PeerError) as caught:
            await s.client.call_tool("fail", {"how": how})
        assert caught.value.code == code
    with pytest.raises((PeerError, HttpFailure), match=r"-32603|429"):  # over HTTP, that is what busy is
        await s.client.call_tool("fail", {"how": "busy"})


async def invalid_arguments(s: Seen) -> None:
    assert "expected" in await s.error("get-sum", a="x", b=1)


async def progress(s: Seen) -> None:
    told: list[Any] = []
    arguments = {"duration": 0.03, "steps": 3}
    result = await s.client.call_tool("trigger-long-running-operation", arguments, on_progress=told.append)
    assert "completed" in result.text
    assert [(one.progress, one.total) for one in told] == [(1, 3), (2, 3), (3, 3)]
    assert (told[0].message == "Step 1 of 3") == s.since(MARCH)


async def cancellation(s: Seen) -> None:
    begun = asyncio.Event()
    call = asyncio.create_task(
        s.client.call_tool(
            "trigger-long-running-operation", {"duration": 60, "steps": 100}, on_progress=lambda _: begun.set()
        )
    )
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await s.text("echo", message="still here") == "Echo: still here"


async def logging(s: Seen) -> None:
    await s.text("log-at-every-level")
    assert [each.level for each in s.logs] == ["warning", "error", "critical", "alert", "emergency"]
    assert "hunter2" not in str(s.logs)
    await s.client.set_log_level("emergency")
    s.logs.clear()
    await s.text("log-at-every-level")
    assert [each.level for each in s.logs] == ["emergency"]


async def header(s: Seen) -> None:
    assert await s.text("route-by-header", region="eu-west") == "Asked eu-west."
    tool = next(each for each in await s.client.list_tools() if each.name == "route-by-header")
    assert b"x-mcp-header" in bytes(tool.input_schema)


async def whoami(s: Seen) -> None:
    found = (await s.text("whoami")).replace(" ", "")
    assert f'"revision":"{s.revision.version}"' in found
    assert '"sampling"' in found
    assert ('"elicitation"' in found) == s.since(JUNE)


async def form(s: Seen) -> None:
    if not s.since(JUNE):
        assert "cannot be asked by a form" in await s.error("trigger-elicitation-request")
        assert s.asked == []
        return
    found = await s.text("trigger-elicitation-request")
    assert "name='Ada'" in found and "hero='h1'" in found and "pet='dog'" in found and "height=1.65" in found
    assert ("fruit=['cherry']" in found) == ("days=['sun']" in found) == s.since(NOVEMBER)
    assert len(s.asked) == 1


async def url(s: Seen) -> None:
    if not s.since(NOVEMBER):
        assert "cannot be asked to open a URL" in await s.error("trigger-url-elicitation")
        return
    assert await s.text("trigger-url-elicitation") == "The user chose to accept the visit."
    assert s.asked == ["url https://example.com/"]


async def url_first(s: Seen) -> None:
    if s.revision.version == NOVEMBER:  # the client lets its user visit, then calls again by itself
        assert "Thank you" in await s.text("require-url-elicitation")
        assert s.asked == ["url https://example.com/first"]
    else:
        assert "look at this page first" in await s.error("require-url-elicitation")


async def sampling(s: Seen) -> None:
    assert await s.text("trigger-sampling-request", prompt="hello") == "m: five"
    assert s.asked == ["sample 1"]


async def sampling_with_tools(s: Seen) -> None:
    if not s.since(NOVEMBER):
        assert "no sampling with tools" in await s.error("trigger-sampling-with-tools")
        return
    assert await s.text("trigger-sampling-with-tools") == "With 1 use of the tool: five"
    assert s.asked == ["sample 1", "sample 3"]


async def roots(s: Seen) -> None:
    assert "file:///srv/data" in await s.text("get-roots-list")


async def rounds(s: Seen) -> None:
    if not s.since(JUNE):
        assert "cannot be asked by a form" in await s.error("plan-a-party")
        return
    assert await s.text("plan-a-party") == "A space party for 7 with soup and music."
    assert sorted(s.asked[:2]) == ["form How many guests?", "form Which theme?"]
    assert s.asked[2] == "form A space party for 7: what else?"


async def declared(s: Seen) -> None:
    if s.since(JUNE):
        assert await s.text("confirm-first") == "Done."
    else:
        assert "cannot be asked by a form" in await s.error("confirm-first")


async def once(s: Seen) -> None:
    if not s.since(JUNE):
        assert "cannot be asked by a form" in await s.error("book-once")
        return
    assert await s.text("book-once") == "Booking 1, sent by mail; 1 effects in all."
    assert await s.text("book-once") == "Booking 2, sent by mail; 2 effects in all."


async def list_changes(s: Seen) -> None:
    for kind, wanted in (("tool", "tools"), ("prompt", "prompts"), ("resource", "resources")):
        async with s.client.listen(**{wanted: True}) as changes:
            assert "Added" in await s.text("add-entry", kind=kind)
            assert (await _next(changes)).kind == wanted
    assert "there already" in await s.error("add-entry", kind="tool")
    assert "Hello" in await s.text("added-tool")
    assert (await s.client.read_resource("demo://added")).contents[0].text == "Hello from what was added."
    for kind in ("tool", "prompt", "resource"):
        await s.text("remove-entry", kind=kind)
    assert "is not there" in await s.error("remove-entry", kind="tool")


async def resource_updates(s: Seen) -> None:
    async with s.client.listen(resources=["demo://counter"]) as changes:
        await s.text("tick")
        assert (await _next(changes)).uri == "demo://counter"
        assert (await s.client.read_resource("demo://counter")).contents[0].text == "1"
        await s.text("toggle-subscriber-updates")
        for _ in range(2):  # by itself, without a call
            assert (await _next(changes)).uri == "demo://counter"
        assert "stays as it is" in await s.text("toggle-subscriber-updates")


async def _next(changes: Changes) -> Any:
    async with asyncio.timeout(5):
        return await anext(changes)


async def resources(s: Seen) -> None:
    found = {each.name: each for each in await s.client.list_resources()}
    listed = found["features.md"]
    assert listed.annotations is not None and listed.annotations.priority == 0.9
    assert (listed.title is not None) == s.since(JUNE)
    assert (listed.icons is not None) == s.since(NOVEMBER)
    assert (listed.size is not None) == ("size" in s.revision.fields_of("Resource"))
    picture = (await s.client.read_resource("demo://resource/static/picture.png")).contents[0]
    assert picture.blob is not None and picture.mime_type == "image/png"


async def templates(s: Seen) -> None:
    assert (await s.client.read_resource("demo://resource/dynamic/text/3")).contents[0].text is not None
    assert (await s.client.read_resource("demo://resource/dynamic/blob/3")).contents[0].blob is not None
    with pytest.raises(PeerError) as caught:
        await s.client.read_resource("demo://resource/dynamic/text/101")
    assert caught.value.code == s.revision.resource_missing
    assert '"department":"sales"' in str((await s.client.read_resource("demo://staff/sales/Sam")).contents[0].text)


async def completion(s: Seen) -> None:
    template = ResourceTemplateReference(uri="demo://staff/{department}/{name}")
    assert (await s.client.complete(template, "department", "s")).values == ["sales", "support"]
    chosen = (await s.client.complete(template, "name", "", {"department": "sales"})).values
    assert chosen == (["Sam", "Sue"] if s.since(JUNE) else ["Ada", "Alan", "Grace", "Sam", "Sue", "Tina", "Tom"])
    prompt = PromptReference(name="completable-prompt")
    assert (await s.client.complete(prompt, "department", "eng")).values == ["engineering"]


async def caching(s: Seen) -> None:
    result = await s.client.request("resources/read", {"uri": "demo://cached"})
    assert (result.get("ttlMs"), result.get("cacheScope")) == ((60_000, "public") if s.since(NEWEST) else (None, None))
    tools = await s.client.request("tools/list")
    assert ("ttlMs" in tools) == s.since(NEWEST)


async def pagination(s: Seen) -> None:
    first = await s.client.request("tools/list")
    assert len(first["tools"]) == 10 and first["nextCursor"]
    second = await s.client.request("tools/list", {"cursor": first["nextCursor"]})
    assert second["tools"][0]["name"] not in {tool["name"] for tool in first["tools"]}
    assert len(await s.client.list_tools()) > 20


async def prompts(s: Seen) -> None:
    assert "simple prompt" in str((await s.client.get_prompt("simple-prompt")).messages[0].content)
    found = await s.client.get_prompt("args-prompt", {"city": "Paris", "state": "Texas"})
    assert [message.role for message in found.messages] == ["user", "assistant"]
    assert "Paris, Texas" in str(found.messages[0].content)
    assert isinstance((await s.client.get_prompt("resource-prompt")).messages[1].content, EmbeddedResource)
    assert isinstance((await s.client.get_prompt("image-prompt")).messages[1].content, ImageContent)
    with pytest.raises(PeerError, match="city"):
        await s.client.get_prompt("args-prompt")


async def server_facts(s: Seen) -> None:
    told = s.client.server
    assert told.instructions is not None and "test clients" in told.instructions
    assert told.info is not None
    assert (told.info.title is not None) == s.since(JUNE)
    assert (told.info.icons is not None) == (told.info.description is not None) == s.since(NOVEMBER)


async def annotations_of_tools(s: Seen) -> None:
    for tool in await s.client.list_tools():
        assert (tool.annotations is not None) == s.since(MARCH)
        assert (tool.icons is not None) == s.since(NOVEMBER)


async def extension(s: Seen) -> None:
    declared = s.client.server.capabilities.extensions or {}
    assert ("com.example/everything" in declared) == s.since(NEWEST)
    if s.since(NEWEST):
        answer = await s.client.request("com.example/everything/greet", {"name": "Ada"})
        assert answer["greeting"] == "Hello, Ada!"


async def stream_reconnect(s: Seen) -> None:
    assert "The result" in await s.text("trigger-stream-reconnect")


FEATURES: dict[str, Callable[[Seen], Awaitable[None]]] = {
    check.__name__: check
    for check in (
        text, structured, structured_scalar, image, audio, embedded, links, annotations, every_content, metadata,
        errors, invalid_arguments, progress, cancellation, logging, header, whoami, form, url, url_first, sampling,
        sampling_with_tools, roots, rounds, declared, once, list_changes, resource_updates, resources, templates,
        completion, caching, pagination, prompts, server_facts, annotations_of_tools, extension, stream_reconnect,
    )
}  # fmt: skip


@pytest.mark.parametrize("version", V)
@pytest.mark.parametrize("feature", FEATURES)
async def test_a_feature_on_a_revision(feature: str, version: str) -> None:
    async with seen(version) as s:
        await FEATURES[feature](s)
