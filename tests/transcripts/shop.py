"""The server that the transcripts talk to: one of each, with everything set that a revision may or may not have."""

from typing import Annotated, Literal

from dovetail import Complete, Context, Icon, Server, ToolAnnotations, ToolError
from dovetail.wire import AudioContent, ContentBlock, ResourceLink, TextContent

ICON = Icon(src="https://example.com/icon.png", mime_type="image/png", sizes=["48x48"])


def shop() -> Server:
    """Define it anew, so that no transcript sees what another one did."""
    app = Server(
        "shop", version="1.0.0", title="Shop", website_url="https://example.com", icons=[ICON], instructions="Be kind."
    )

    @app.tool(title="Add up", icons=[ICON], annotations=ToolAnnotations(read_only_hint=True), meta={"example.com/x": 1})
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @app.tool(structured=False)
    async def show() -> list[ContentBlock]:
        """Show one of each kind of content."""
        return [
            TextContent(text="text"),
            AudioContent(data="AAAA", mime_type="audio/wav"),
            ResourceLink(uri="shop://hours", name="hours"),
        ]

    @app.tool(structured=False)
    async def fail() -> str:
        """Fail, in words for the model."""
        raise ToolError("Nothing is left of it.")

    @app.tool(structured=False)
    async def count(ctx: Context) -> str:
        """Report progress and log."""
        await ctx.progress(1, 2, "half")
        await ctx.log.info("counting")
        await ctx.progress(2, 2)
        return "done"

    @app.tool(structured=False)
    async def order(ctx: Context) -> str:
        """Ask before ordering."""
        answer = await ctx.elicit("Which size?", Literal["small", "large"], key="size")
        return f"Ordered: {answer.action} {answer.value}"

    def extra() -> str:
        """Be new."""
        return "new"

    @app.tool(structured=False)
    async def learn() -> str:
        """Offer a tool more."""
        app.add_tool(extra, structured=False)
        return "learned"

    @app.resource("shop://hours", title="Hours", mime_type="text/plain", size=9)
    def hours() -> str:
        """When the shop is open."""
        return "9 to 17"

    @app.resource("policy://{topic}")
    def policy(topic: Annotated[str, Complete(["refunds", "returns"])]) -> str:
        """What the shop promises."""
        return f"About {topic}"

    @app.prompt(title="Triage")
    def triage(ticket: str, tone: Annotated[str, Complete(["brisk", "calm"])] = "calm") -> str:
        """Sort a ticket."""
        return f"{tone}: {ticket}"

    return app
