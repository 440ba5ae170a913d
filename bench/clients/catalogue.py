"""How much a client holds at its peak while it lists a large catalogue. catalogue.py ARGUMENT ..."""

import asyncio
import json
import resource
import sys

from dovetail import Client


async def main() -> None:
    async with Client(sys.argv[1:], timeout=120) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tools = await client.list_tools()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = sum(len(tool.input_schema) + len(tool.name) + len(tool.description or "") for tool in tools)
        sys.stdout.write(json.dumps({"tools": len(tools), "bytes": size, "peak": (after - before) * 1024}) + "\n")


asyncio.run(main())
