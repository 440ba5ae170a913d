"""A cache: what the server says may be reused is not asked for again."""

# region imports
import asyncio
from pathlib import Path
from typing import Any

from dovetail import Client, Server
from dovetail.client import Caching
from dovetail.server import Cache
from dovetail.store import SqliteCache

# endregion

app = Server("shop", cache=Cache(seconds=300))
reads = 0


@app.tool
async def price(item: str) -> int:
    """Tell what something costs."""
    return 12 if item == "tea" else 20


@app.resource("policy://{topic}", cache=Cache(seconds=60, scope="public"))
def policy(topic: str) -> str:
    """Tell a policy."""
    global reads
    reads += 1
    return f"All about {topic}, written down {reads} times."


# region first
async def first() -> tuple[str, str]:
    async with Client(app, cache=True) as client:
        once = await client.read_resource("policy://refunds")
        again = await client.read_resource("policy://refunds")  # not asked for again, for as long as the server said
        anew = await client.read_resource("policy://refunds", fresh=True)
        assert once == again
        return said(again), said(anew)


# endregion


# region file
async def from_a_file(directory: Path) -> int:
    store = SqliteCache(directory)
    caching = Caching(store=store, principal="alice", stale_while_revalidate=30, stale_if_error=3600)
    async with Client(app, cache=caching) as client:
        tools = await client.list_tools()
    await store.aclose()
    return len(tools)


# endregion


# region notices
async def notices() -> list[int]:
    async with Client(app, cache=True) as client, client.listen(tools=True) as changes:
        before = await client.list_tools()
        app.remove_tool("price")
        await anext(changes)
        return [len(before), len(await client.list_tools())]


# endregion


def said(result: Any) -> str:
    """Return a result's text."""
    return str(result.contents[0].text)


if __name__ == "__main__":
    print(asyncio.run(first()))
