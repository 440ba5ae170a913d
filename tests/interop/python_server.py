"""The shop of the quickstart on other people's Python: the official SDK's server and FastMCP's. Runs in .venv-peers.

    python_server.py (sdk|fastmcp) (stdio|http|sse) [PORT]

`test_servers.py` visits it with our client. It is written as each library's own documentation writes servers.
"""

import asyncio
import sys
from typing import Annotated, Any

from fastmcp import Context as FastContext
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError as FastToolError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    PromptReference,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel

POLICIES = {"refunds": "Refunds are paid within 14 days.", "returns": "Returns are free for 30 days."}
TONES = ["brisk", "calm"]
QUESTION = "How many of tea?"
queue: set[str] = set()


class Form(BaseModel):
    quantity: int = 1
    gift: bool = False


def suggestions(ref: Any, argument: Any) -> list[str]:
    known = TONES if isinstance(ref, PromptReference) else list(POLICIES)
    return [value for value in known if value.startswith(argument.value)]


def poem() -> list[SamplingMessage]:
    return [SamplingMessage(role="user", content=TextContent(text="A poem, please."))]


async def counted(to: int, ctx: Any) -> str:
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"Counted to {number}")
    return f"Counted to {to}"


async def waiting(ctx: Any) -> str:
    key = str(ctx.request_id)
    queue.add(key)
    try:
        await ctx.report_progress(0, None, "Waiting")
        await asyncio.Event().wait()
    finally:
        queue.discard(key)
    return "never"


def shout(text: str) -> str:
    """Say it loud."""
    return text.upper()


def share(app: Any, error: type[Exception]) -> None:
    """Offer what both libraries spell alike."""

    @app.tool()  # type: ignore[untyped-decorator]
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @app.tool()  # type: ignore[untyped-decorator]
    def divide(a: float, b: float) -> float:
        """Divide a by b."""
        if b == 0:
            raise error("Nothing can be divided by zero.")
        return a / b

    @app.resource("shop://hours", mime_type="text/plain")  # type: ignore[untyped-decorator]
    def hours() -> str:
        """When the shop is open."""
        return "Monday to Friday, 9 to 17"

    @app.resource("shop://queue", mime_type="text/plain")  # type: ignore[untyped-decorator]
    def in_queue() -> str:
        """How many stand in the queue."""
        return str(len(queue))

    @app.resource("policy://{topic}", mime_type="text/plain")  # type: ignore[untyped-decorator]
    def policy(topic: str) -> str:
        """What the shop promises."""
        return POLICIES[topic]

    @app.prompt()  # type: ignore[untyped-decorator]
    def triage(ticket: str, tone: str = "calm") -> str:
        """Sort a ticket."""
        return f"Sort this ticket in a {tone} tone: {ticket}"


def sdk() -> MCPServer:
    app: Any = MCPServer("shop", instructions="A small shop.")
    share(app, ToolError)

    @app.completion()  # type: ignore[untyped-decorator]
    async def complete(ref: Any, argument: Any, context: Any) -> Any:
        from mcp.types import Completion

        return Completion(values=suggestions(ref, argument))

    @app.tool()  # type: ignore[untyped-decorator]
    async def count(to: int, ctx: Context) -> str:
        """Count, and report progress."""
        return await counted(to, ctx)

    @app.tool()  # type: ignore[untyped-decorator]
    async def wait(ctx: Context) -> str:
        """Stand in the queue until the call is cancelled."""
        return await waiting(ctx)

    @app.tool()  # type: ignore[untyped-decorator]
    async def note(ctx: Context) -> str:
        """Write a log message."""
        await ctx.warning("The shop closes soon")
        return "noted"

    @app.tool()  # type: ignore[untyped-decorator]
    async def learn(ctx: Context) -> str:
        """Learn to shout."""
        app.add_tool(shout)
        await ctx.notify_tools_changed()
        await ctx.session.send_tool_list_changed()
        return "learned"

    @app.tool()  # type: ignore[untyped-decorator]
    async def touch(ctx: Context) -> str:
        """Say that the opening hours changed."""
        await ctx.notify_resource_updated("shop://hours")
        return "touched"

    async def form() -> Elicit[Form]:
        return Elicit(QUESTION, Form)

    async def verse() -> Sample:
        return Sample(poem(), max_tokens=100)

    async def roots() -> ListRoots:
        return ListRoots()

    @app.tool()  # type: ignore[untyped-decorator]
    async def order(item: str, answer: Annotated[Form, Resolve(form)]) -> str:
        """Order something."""
        return f"Ordered {answer.quantity} x {item}{', as a gift' if answer.gift else ''}."

    @app.tool()  # type: ignore[untyped-decorator]
    async def praise(said: Annotated[CreateMessageResult, Resolve(verse)]) -> str:
        """Have the model write."""
        return f"{said.role}: {getattr(said.content, 'text', '?')}"

    @app.tool()  # type: ignore[untyped-decorator]
    async def where(found: Annotated[ListRootsResult, Resolve(roots)]) -> str:
        """Name the roots."""
        return ", ".join(str(root.uri) for root in found.roots)

    return app


async def answered(ctx: Any, key: str, question: Any, push: Any) -> Any:
    """Ask in rounds where the revision has them, and on the back channel where it does not."""
    if not ctx._is_modern_protocol():
        return await push()
    answers = ctx.input_responses
    if answers is None:
        return InputRequiredResult(input_requests={key: question}, request_state="asked")
    assert ctx.request_state == "asked"
    return answers[key]


def fastmcp() -> FastMCP:
    app: Any = FastMCP("shop", instructions="A small shop.")
    share(app, FastToolError)

    @app.completion  # type: ignore[untyped-decorator]
    def complete(ref: Any, argument: Any, context: Any) -> Any:
        return suggestions(ref, argument)

    @app.tool  # type: ignore[untyped-decorator]
    async def count(to: int, ctx: FastContext) -> str:
        """Count, and report progress."""
        return await counted(to, ctx)

    @app.tool  # type: ignore[untyped-decorator]
    async def wait(ctx: FastContext) -> str:
        """Stand in the queue until the call is cancelled."""
        return await waiting(ctx)

    @app.tool  # type: ignore[untyped-decorator]
    async def note(ctx: FastContext) -> str:
        """Write a log message."""
        await ctx.warning("The shop closes soon")
        return "noted"

    @app.tool  # type: ignore[untyped-decorator]
    async def learn(ctx: FastContext) -> str:
        """Learn to shout."""
        app.add_tool(shout)
        await ctx.session.send_tool_list_changed()
        return "learned"

    form = ElicitRequestFormParams(message=QUESTION, requested_schema=Form.model_json_schema())
    sample = CreateMessageRequestParams(messages=poem(), max_tokens=100)

    @app.tool  # type: ignore[untyped-decorator]
    async def order(item: str, ctx: FastContext) -> Any:
        """Order something."""
        answer = await answered(ctx, "form", ElicitRequest(params=form), lambda: ctx.elicit(QUESTION, Form))
        if isinstance(answer, InputRequiredResult):
            return answer
        filled = Form.model_validate(answer.content) if hasattr(answer, "content") else answer.data
        return f"Ordered {filled.quantity} x {item}{', as a gift' if filled.gift else ''}."

    @app.tool  # type: ignore[untyped-decorator]
    async def praise(ctx: FastContext) -> Any:
        """Have the model write."""
        answer = await answered(
            ctx,
            "poem",
            CreateMessageRequest(params=sample),
            lambda: ctx.session.create_message(poem(), max_tokens=100, related_request_id=ctx.request_id),
        )
        if isinstance(answer, InputRequiredResult):
            return answer
        return f"{answer.role}: {answer.content.text}"

    @app.tool  # type: ignore[untyped-decorator]
    async def where(ctx: FastContext) -> Any:
        """Name the roots."""
        answer = await answered(ctx, "roots", ListRootsRequest(), lambda: ctx.session.list_roots())
        if isinstance(answer, InputRequiredResult):
            return answer
        return ", ".join(str(root.uri) for root in answer.roots)

    return app


def main() -> None:
    kind, transport, *rest = sys.argv[1:]
    app: Any = {"sdk": sdk, "fastmcp": fastmcp}[kind]()
    if transport == "stdio":
        app.run(**({} if kind == "sdk" else {"show_banner": False}))
        return
    named = {"http": "streamable-http", "sse": "sse"}[transport]
    app.run(transport=named, host="127.0.0.1", port=int(rest[0]))


if __name__ == "__main__":
    main()
