"""A client of one server: every call typed, bounded in time, with one tree of errors."""

# region imports
import asyncio
from typing import Any

from dovetail import Client, Context, Server
from dovetail.errors import Disconnected, PeerError, Timeout
from dovetail.wire import ElicitRequestParams

# endregion

# A server to talk to; a URL, a file or a program would do as well.
app = Server("shop")


@app.tool
async def price(item: str) -> int:
    """Tell what something costs."""
    return 12 if item == "tea" else 20


@app.tool
async def order(item: str, ctx: Context) -> str:
    """Order something, once the user agrees."""
    answer = await ctx.elicit(f"Order {item}?", bool)
    return f"Ordered {item}." if answer.accepted and answer.value else "Ordered nothing."


@app.resource("policy://{topic}")
def policy(topic: str) -> str:
    """Tell a policy."""
    return f"All about {topic}."


# region first
async def first() -> Any:
    async with Client(app) as client:  # or "https://example.com/mcp", "server.py", ["npx", "-y", "some-server"]
        tools = await client.list_tools()  # all of them, however many pages
        result = await client.call_tool("price", {"item": "tea"}, timeout=10)
        return [tool.name for tool in tools], result.data, result.text, result.is_error


# endregion


# region many
async def many() -> dict[str, str]:
    async with Client(app) as client:
        found = await client.read_resources(["policy://refunds", "policy://returns", "nothing://here"])
        return {uri: "failed" if isinstance(item, Exception) else "read" for uri, item in found.items()}


# endregion


# region answering
async def on_elicit(question: ElicitRequestParams) -> dict[str, Any] | None:
    """Ask the user: the fields of the form to accept, None to decline."""
    return {"value": True} if "tea" in question.message else None


async def answering() -> str:
    async with Client(app, on_elicit=on_elicit) as client:
        return (await client.call_tool("order", {"item": "tea"})).text


# endregion


# region listening
async def listening() -> str:
    async with Client(app) as client, client.listen(tools=True) as changes:
        app.remove_tool("price")
        change = await anext(changes)  # or: async for change in changes
        return change.kind


# endregion


# region errors
async def careful(client: Client) -> str:
    try:
        return (await client.call_tool("price", {"item": "tea"}, timeout=1)).text
    except Timeout:
        return "too slow; the server knows that nobody waits"
    except PeerError as error:
        return f"refused with {error.code}"
    except Disconnected as error:
        return f"gone: {error}"


# endregion


# region plain
def plain() -> str:
    with Client.connect_sync(app) as client:
        return client.call_tool("price", {"item": "tea"}).text


# endregion

if __name__ == "__main__":
    print(asyncio.run(first()))
