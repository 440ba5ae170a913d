"""Other people's Python clients against the quickstart: the official SDK's and FastMCP's. Runs in .venv-peers.

    python_peer.py (sdk|fastmcp) (legacy|modern) (URL | COMMAND...)

Prints what it saw as one JSON object; `test_peers.py` judges it.
"""

import asyncio
import json
import sys
from typing import Any

import fastmcp
from fastmcp.client.elicitation import ElicitResult as FastElicitResult
from fastmcp.client.transports import StdioTransport
from mcp import Client, StdioServerParameters
from mcp.client.subscriptions import listen
from mcp.types import (
    CreateMessageResult,
    ElicitResult,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    ToolListChangedNotification,
)

MODES = {"legacy": "legacy", "modern": "2026-07-28"}


ANSWER = {"quantity": 2, "gift": True}
POEM = CreateMessageResult(role="assistant", content=TextContent(text="Roses are red."), model="a model")


class Sdk:
    """The official SDK's client, and the few things that are spelled differently in FastMCP's."""

    def __init__(self, mode: str, target: list[str], peer: "Peer") -> None:
        server = target[0] if len(target) == 1 else StdioServerParameters(command=target[0], args=target[1:])

        async def answer(context: Any, params: Any) -> Any:
            peer.asked.append(params.message)
            return ElicitResult(action="accept", content=ANSWER)

        async def write(context: Any, params: Any) -> Any:
            peer.sample(params)
            return POEM

        self.client = Client(
            server,
            mode=mode,
            elicitation_callback=answer,
            sampling_callback=write,
            message_handler=peer.hear,
            cache=None,
        )

    async def tools(self) -> list[Any]:
        return list((await self.client.list_tools()).tools)

    async def call(self, name: str, arguments: dict[str, Any] | None = None, progress: Any = None) -> Any:
        return await self.client.call_tool(name, arguments, progress_callback=progress)

    async def read(self, uri: str) -> str:
        return str((await self.client.read_resource(uri)).contents[0].text)

    async def templates(self) -> list[Any]:
        return list((await self.client.list_resource_templates()).resource_templates)

    async def complete(self, ref: Any, name: str, value: str) -> list[str]:
        return list((await self.client.complete(ref, {"name": name, "value": value})).completion.values)


class FastMcp:
    """FastMCP's client."""

    def __init__(self, mode: str, target: list[str], peer: "Peer") -> None:
        server = target[0] if len(target) == 1 else StdioTransport(command=target[0], args=target[1:])

        async def answer(message: str, kind: Any, params: Any, context: Any) -> Any:
            peer.asked.append(message)
            return FastElicitResult(action="accept", content=ANSWER)

        async def write(messages: list[Any], params: Any, context: Any) -> Any:
            peer.sample(params)
            return POEM

        self.client = fastmcp.Client(
            server,
            mode=mode,
            elicitation_handler=answer,
            sampling_handler=write,
            message_handler=peer.hear,
            cache=False,
        )

    async def tools(self) -> list[Any]:
        return list(await self.client.list_tools())

    async def call(self, name: str, arguments: dict[str, Any] | None = None, progress: Any = None) -> Any:
        return await self.client.call_tool(name, arguments, progress_handler=progress, raise_on_error=False)

    async def read(self, uri: str) -> str:
        return str((await self.client.read_resource(uri))[0].text)

    async def templates(self) -> list[Any]:
        return list(await self.client.list_resource_templates())

    async def complete(self, ref: Any, name: str, value: str) -> list[str]:
        return list((await self.client.complete(ref, {"name": name, "value": value})).values)


class Peer:
    """One client and what it saw."""

    def __init__(self, kind: str, era: str, target: list[str]) -> None:
        self.saw: dict[str, Any] = {}
        self.changed = asyncio.Event()
        self.asked: list[str] = []
        self.sampled: list[list[Any]] = []
        self.modern = era == "modern"
        self.api = (Sdk if kind == "sdk" else FastMcp)(MODES[era], target, self)

    async def hear(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.changed.set()

    def sample(self, wanted: Any) -> None:
        self.sampled.append([wanted.messages[0].content.text, wanted.max_tokens, wanted.system_prompt])

    async def basics(self) -> None:
        api, saw = self.api, self.saw
        saw["revision"] = api.client.protocol_version
        saw["tools"] = sorted(tool.name for tool in await api.tools())
        result = await api.call("add", {"a": 2, "b": 3})
        saw["call"] = [result.structured_content, result.content[0].text]
        result = await api.call("divide", {"a": 1, "b": 0})
        saw["error"] = [result.is_error, result.content[0].text]
        saw["resource"] = await api.read("shop://hours")
        saw["template"] = [(await api.templates())[0].uri_template, await api.read("policy://refunds")]
        prompt = await api.client.get_prompt("triage", {"ticket": "Where is it?", "tone": "brisk"})
        saw["prompt"] = prompt.messages[0].content.text
        saw["completion"] = [
            await api.complete(PromptReference(name="triage"), "tone", "b"),
            await api.complete(ResourceTemplateReference(uri="policy://{topic}"), "topic", "re"),
        ]

    async def progress(self) -> None:
        steps = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            steps.append([progress, total, message])

        await self.api.call("count", {"to": 3}, note)
        self.saw["progress"] = steps

    async def cancellation(self) -> None:
        started = asyncio.Event()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            started.set()

        call = asyncio.create_task(self.api.call("wait", progress=note))
        await started.wait()
        inside = await self.api.read("shop://queue")
        call.cancel()
        await asyncio.wait([call])
        after = inside
        for _ in range(500):
            after = await self.api.read("shop://queue")
            if after == "0":
                break
        self.saw["cancellation"] = [inside, after]

    async def notice(self) -> None:
        if self.modern:
            async with listen(self.api.client.session, tools_list_changed=True) as changes:
                await self.api.call("learn")
                kind = type(await anext(aiter(changes))).__name__
        else:
            await self.api.call("learn")
            await self.changed.wait()
            kind = "ToolsListChanged"
        tools = {tool.name for tool in await self.api.tools()}
        await self.api.call("forget")
        self.saw["notice"] = [kind, "shout" in tools]

    async def elicitation(self) -> None:
        result = await self.api.call("order", {"item": "tea"})
        self.saw["elicitation"] = [self.asked, result.content[0].text]

    async def sampling(self) -> None:
        result = await self.api.call("praise")
        self.saw["sampling"] = [self.sampled, result.content[0].text]

    async def run(self) -> None:
        async with self.api.client:
            for step in (
                self.basics,
                self.progress,
                self.cancellation,
                self.notice,
                self.elicitation,
                self.sampling,
            ):
                async with asyncio.timeout(15):
                    await step()


def main() -> None:
    kind, era, *target = sys.argv[1:]
    peer = Peer(kind, era, target)
    try:
        asyncio.run(peer.run())
    finally:
        print(json.dumps(peer.saw))


if __name__ == "__main__":
    main()
