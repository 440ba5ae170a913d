"""Dovetail, all defaults on. What a mode has to raise is printed by its rows.

ours.py                        stdio
ours.py http PORT MODE         MODE: plain, sessions, list (two viewers, told apart by a header), listen
"""

import asyncio
import sys
from typing import Any

from dovetail import Server


def options(mode: str) -> dict[str, Any]:
    """Defaults over stdio and for `listen`; the other modes raise how often one principal may call."""
    if mode in ("", "listen"):
        return {}
    raised: dict[str, Any] = {"rate": "1000000000/s"}
    if mode == "list":
        raised["identify"] = identify
    return raised


def identify(scope: Any, headers: Any) -> Any:
    """Who asks: the benchmark's clients name themselves, which a real server would never take their word for."""
    from dovetail.core import Principal

    viewer = headers[b"x-viewer"].decode()
    return Principal(key=viewer, bucket=viewer, scopes=frozenset(["admin"]) if viewer == "admin" else frozenset())


app = Server("bench", version="1.0.0", **options(sys.argv[3] if sys.argv[1:2] == ["http"] else ""))


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
    """A thousand tools, one more by each call of `grow`, and one that only one of the viewers may see."""
    count = 0

    def more() -> None:
        nonlocal count

        async def tool(a: int, b: int) -> int:
            return a + b

        app.add_tool(tool, name=f"tool_{count}", description=f"Add two numbers, {count}.")
        count += 1

    @app.tool
    async def grow() -> int:
        """Add a tool."""
        more()
        return count

    @app.tool(scopes=["admin"])
    async def for_admins() -> int:
        """Seen by one viewer only."""
        return count

    for _ in range(1000):
        more()


def growing() -> None:
    """One tool that adds another, which everybody who listens is told."""
    count = 0

    @app.tool
    async def grow() -> int:
        """Add a tool."""
        nonlocal count
        count += 1
        app.add_tool(add, name=f"tool_{count}")
        return count


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        match sys.argv[3]:
            case "list":
                many()
            case "listen":
                growing()
        app.run("http", port=int(sys.argv[2]))
    else:
        app.run()
