"""A server with one of each: tools, a resource, a template, a prompt, completion, progress, a question, a change.

dovetail run examples/quickstart.py                    over stdio, for a desktop client
dovetail run examples/quickstart.py --transport http   over HTTP, both eras of MCP on one endpoint
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from dovetail import Complete, Context, Server, ToolError
from dovetail.errors import ResourceNotFound

# region app
app = Server("quickstart", version="1.0.0", instructions="A small shop: add numbers up, read policies, order things.")
# endregion

POLICIES = {
    "refunds": "Refunds are paid within 14 days.",
    "returns": "Returns are free for 30 days.",
    "shipping": "Orders leave the house within a day.",
}


def topics(typed: str) -> list[str]:
    """Suggest topics that begin with what was typed."""
    return [topic for topic in POLICIES if topic.startswith(typed)]


# region add
@app.tool
async def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return a + b


# endregion


@app.tool
def echo(text: str) -> str:
    """Say the same again."""
    return text


@app.tool
def divide(a: float, b: float) -> float:
    """Divide a by b; the model reads it when that makes no sense."""
    if b == 0:
        raise ToolError("Nothing can be divided by zero. Ask for another divisor.")
    return a / b


@app.tool
async def count(to: int, ctx: Context) -> str:
    """Count, and report progress on the way."""
    for number in range(1, to + 1):
        await ctx.progress(number, to, f"Counted to {number}")
        await asyncio.sleep(0.02)
    return f"Counted to {to}"


queue: set[str] = set()


@app.tool
async def wait(ctx: Context) -> str:
    """Stand in the queue until the call is cancelled."""
    queue.add(ctx.request_id)
    try:
        await ctx.progress(0, message="Waiting")
        await asyncio.Event().wait()
    finally:
        queue.discard(ctx.request_id)
    return "never"


# region order
@dataclass
class Confirm:
    """What the buyer fills in."""

    quantity: int = 1
    gift: bool = False


def buy(item: str, form: Confirm) -> str:
    """Place an order; it must not happen twice."""
    return f"Ordered {form.quantity} x {item}{', as a gift' if form.gift else ''}."


@app.tool
async def order(item: str, ctx: Context) -> str:
    """Order something, once the user has said how much of it."""
    answer = await ctx.elicit(f"How many of {item}?", Confirm)  # the same line on every revision that can ask
    if not answer.accepted:
        return f"Ordered no {item}."
    return await ctx.once("buy", buy, item, answer.value)  # at most once, whatever is retried


# endregion


def shout(text: str) -> str:
    """Say it loud."""
    return text.upper()


@app.tool
def learn() -> str:
    """Learn to shout: a tool more, and every client hears of it."""
    app.add_tool(shout)
    return "There is a new tool: shout"


@app.tool
def forget() -> str:
    """Forget how to shout."""
    app.remove_tool("shout")
    return "The tool is gone: shout"


@app.resource("shop://hours", mime_type="text/plain")
def hours() -> str:
    """When the shop is open."""
    return "Monday to Friday, 9 to 17"


@app.resource("shop://queue", mime_type="text/plain")
def waiting() -> str:
    """How many stand in the queue."""
    return str(len(queue))


@app.resource("policy://{topic}", mime_type="text/plain")
def policy(topic: Annotated[str, Complete(topics)]) -> str:
    """What the shop promises."""
    if topic not in POLICIES:
        raise ResourceNotFound(f"policy://{topic}")
    return POLICIES[topic]


@app.prompt
def triage(ticket: str, tone: Annotated[str, Complete(["brisk", "calm"])] = "calm") -> str:
    """Sort a ticket."""
    return f"Sort this ticket in a {tone} tone: {ticket}"


# region run
if __name__ == "__main__":
    app.run()  # stdio; app.run("http", port=8000) serves HTTP
# endregion
