"""FastMCP's client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import fastmcp
from fastmcp.client.transports import StdioTransport
from timing import Add, main


@asynccontextmanager
async def opened(target: Any) -> AsyncIterator[Add]:
    server = target if isinstance(target, str) else StdioTransport(command=target[0], args=target[1:])
    async with fastmcp.Client(server) as client:

        async def add(a: int, b: int) -> Any:
            result = await client.call_tool("add", {"a": a, "b": b})
            return int(result.content[0].text)

        yield add


main(opened)
