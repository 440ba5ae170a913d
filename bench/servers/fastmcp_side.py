"""FastMCP in its fastest documented mode: stateless HTTP with JSON responses, uvloop and httptools.

fastmcp_side.py                         stdio
fastmcp_side.py http PORT MODE          MODE: plain, sessions (stateful, as its sessions need), list
"""

import asyncio
import sys

from fastmcp import FastMCP
from fastmcp.tools import Tool

app = FastMCP("bench", version="1.0.0")


@app.tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@app.tool
async def add_later(a: int, b: int) -> int:
    """Add two numbers, later."""
    await asyncio.sleep(0)
    return a + b


def many() -> None:
    """A thousand tools, and one more by each call of `grow`."""
    count = 0

    def more() -> None:
        nonlocal count

        async def tool(a: int, b: int) -> int:
            return a + b

        app.add_tool(Tool.from_function(tool, name=f"tool_{count}", description=f"Add two numbers, {count}."))
        count += 1

    @app.tool
    async def grow() -> int:
        """Add a tool."""
        more()
        return count

    for _ in range(1000):
        more()


def serve_http(port: int, mode: str) -> None:
    import uvicorn

    if mode == "list":
        many()
    asgi = app.http_app(json_response=True, stateless_http=mode != "sessions")
    uvicorn.run(asgi, port=port, access_log=False, log_level="warning", loop="uvloop", http="httptools")


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        serve_http(int(sys.argv[2]), sys.argv[3])
    else:
        app.run(show_banner=False)
