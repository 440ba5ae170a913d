"""The server that the transcripts talk to: one of each, with everything set that a revision may or may not have."""

import asyncio
from typing import Annotated, Literal, TypedDict

from dovetail import Complete, Context, Icon, Server, ToolAnnotations, ToolError
from dovetail.errors import UrlElicitationRequired
from dovetail.wire import (
    Annotations,
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

ICON = Icon(src="https://example.com/icon.png", mime_type="image/png", sizes=["48x48"])


class Price(TypedDict):
    """What something costs."""

    amount: float
    currency: str


def shop() -> Server:
    """Define it anew, so that no transcript sees what another one did."""
    app = Server(
        "shop", version="1.0.0", title="Shop", website_url="https://example.com", icons=[ICON], instructions="Be kind."
    )
    offer_answers(app)
    offer_questions(app)
    offer_changes(app)
    offer_reading(app)
    return app


def offer_answers(app: Server) -> None:
    """Tools that answer at once, in every way."""

    @app.tool(title="Add up", icons=[ICON], annotations=ToolAnnotations(read_only_hint=True), meta={"example.com/x": 1})
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @app.tool(structured=False)
    async def show() -> list[ContentBlock]:
        """Show one of each kind of content."""
        return [
            TextContent(text="text", annotations=Annotations(audience=["user"], last_modified="2026-01-01T00:00:00Z")),
            ImageContent(data="AAAA", mime_type="image/png", meta={"example.com/x": 1}),
            AudioContent(data="AAAA", mime_type="audio/wav"),
            ResourceLink(uri="shop://hours", name="hours", title="Hours", icons=[ICON]),
            EmbeddedResource(resource=TextResourceContents("shop://hours", "9 to 17", "text/plain")),
        ]

    @app.tool
    async def price() -> Price:
        """Say what it costs."""
        return Price(amount=1.5, currency="EUR")

    @app.tool(structured=False)
    async def fail() -> str:
        """Fail, in words for the model."""
        raise ToolError("Nothing is left of it.")

    @app.tool(structured=False)
    async def crash() -> str:
        """Fail in a way that was not meant."""
        raise KeyError("a secret")

    @app.tool(structured=False)
    async def count(ctx: Context) -> str:
        """Report progress and log."""
        await ctx.progress(1, 2, "half")
        await ctx.log.info("counting")
        await ctx.progress(2, 2)
        return "done"

    @app.tool(structured=False)
    async def grumble(ctx: Context) -> str:
        """Log at every level."""
        for level in ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"):
            await ctx.log(level, {"level": level}, logger="shop")
        return "logged"

    @app.tool(structured=False)
    async def wait(ctx: Context) -> str:
        """Wait until the call is cancelled."""
        await ctx.progress(1)
        try:
            await asyncio.Event().wait()
        finally:
            await ctx.progress(2)
        return "never"


def offer_questions(app: Server) -> None:
    """Tools that ask the client."""

    @app.tool(structured=False)
    async def order(ctx: Context) -> str:
        """Ask before ordering."""
        answer = await ctx.elicit("Which size?", Literal["small", "large"], key="size")
        return f"Ordered: {answer.action} {answer.value}"

    @app.tool(structured=False)
    async def deliver(ctx: Context) -> str:
        """Ask two things at once, and one more after."""
        street, floor = await asyncio.gather(
            ctx.elicit("Which street?", str, key="street"), ctx.elicit("Which floor?", int, key="floor")
        )
        if not (street.accepted and floor.accepted):
            return f"Not delivered: {street.action}, {floor.action}"
        await ctx.log.info("known ground ends here")
        sure = await ctx.elicit("Sure?", key="sure")
        return f"{street.value}, floor {floor.value}: {sure.action}"

    @app.tool(structured=False)
    async def login(ctx: Context) -> str:
        """Ask to visit a URL."""
        return (await ctx.elicit_url("Log in", "https://example.com/login", key="login")).action

    @app.tool(structured=False)
    async def pay() -> str:
        """Refuse until a URL was visited."""
        raise UrlElicitationRequired("Pay first", "https://example.com/pay", visit="pay-1")

    @app.tool(structured=False)
    async def slogan(ctx: Context) -> str:
        """Have the client's model write something."""
        answer = await ctx.sample("A slogan, please", max_tokens=20, system_prompt="Be short.", key="slogan")
        return f"{answer.model}: {answer.content.text}"  # type: ignore[union-attr]

    @app.tool(structured=False)
    async def where(ctx: Context) -> str:
        """Ask in which directories the client works."""
        return ", ".join(root.uri for root in await ctx.roots(key="where"))


def offer_changes(app: Server) -> None:
    """Tools that change what there is."""

    def extra() -> str:
        """Be new."""
        return "new"

    @app.tool(structured=False)
    async def learn() -> str:
        """Offer a tool more."""
        app.add_tool(extra, structured=False)
        return "learned"

    @app.tool(structured=False)
    async def forget() -> str:
        """Offer a tool, a resource and a prompt less."""
        app.remove_tool("learn")
        app.remove_resource("shop://hours")
        app.remove_prompt("triage")
        return "forgotten"

    @app.tool(structured=False)
    async def repaint(ctx: Context) -> str:
        """Change two resources."""
        for uri in ("shop://sign", "shop://hours"):
            await ctx.notify.resource_updated(uri)
        return "repainted"


def offer_reading(app: Server) -> None:
    """Resources and prompts."""

    @app.resource("shop://hours", title="Hours", mime_type="text/plain", size=9)
    def hours() -> str:
        """When the shop is open."""
        return "9 to 17"

    @app.resource("shop://sign", mime_type="image/png", icons=[ICON], annotations=Annotations(priority=0.5))
    def sign() -> bytes:
        """The sign over the door."""
        return b"\x89PNG"

    @app.resource("policy://{topic}")
    def policy(topic: Annotated[str, Complete(["refunds", "returns"])]) -> str:
        """What the shop promises."""
        return f"About {topic}"

    @app.prompt(title="Triage")
    def triage(ticket: str, tone: Annotated[str, Complete(["brisk", "calm"])] = "calm") -> str:
        """Sort a ticket."""
        return f"{tone}: {ticket}"
