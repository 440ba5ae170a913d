"""Testing a server in memory."""

import asyncio
import json
from typing import Any

from dovetail import Server

# region test
app = Server("notes")


@app.tool
async def shout(text: str) -> str:
    """Say it loud."""
    return text.upper()


async def call(server: Server, method: str, **params: Any) -> Any:
    """Call a method as a client of the newest revision does; return the answer."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    channel = server.connect()
    channel.send(json.dumps(message).encode())
    answer = await channel.receive()
    await channel.aclose()
    assert isinstance(answer, bytes)
    return json.loads(answer)


def test_shout() -> None:
    answer = asyncio.run(call(app, "tools/call", name="shout", arguments={"text": "hello"}))
    assert answer["result"]["content"] == [{"type": "text", "text": "HELLO"}]


# endregion

if __name__ == "__main__":
    test_shout()
