"""The official SDK's client against one of the servers that we ship. Runs in .venv-peers.

    shipped_peer.py (legacy|modern) JSON COMMAND...

JSON is what to do: a tool with its arguments, a resource, a prompt with its arguments. Prints what it saw as one JSON
object; `test_shipped.py` judges it.
"""

import asyncio
import json
import sys
from typing import Any

from mcp import Client, StdioServerParameters

MODES = {"legacy": "legacy", "modern": "2026-07-28"}


async def seen(mode: str, wanted: dict[str, Any], command: list[str]) -> dict[str, Any]:
    server = StdioServerParameters(command=command[0], args=command[1:])
    async with Client(server, mode=mode, cache=None) as client:
        listed = (await client.list_tools()).tools
        called = await client.call_tool(wanted["tool"], wanted["arguments"])
        saw: dict[str, Any] = {
            "tools": {tool.name: tool.annotations is not None and tool.description is not None for tool in listed},
            "call": [bool(called.is_error), " ".join(getattr(block, "text", "") for block in called.content)],
            "structured": called.structured_content is not None,
        }
        if wanted.get("uri"):
            contents = (await client.read_resource(wanted["uri"])).contents
            saw["resource"] = str(getattr(contents[0], "text", ""))
        if wanted.get("prompt"):
            got = await client.get_prompt(wanted["prompt"], wanted["values"])
            saw["prompt"] = len(got.messages)
        return saw


print(json.dumps(asyncio.run(seen(MODES[sys.argv[1]], json.loads(sys.argv[2]), sys.argv[3:]))))
