"""How much a client holds at its peak while it lists a large catalogue. catalogue.py ARGUMENT ..."""

import asyncio
import json
import sys
from pathlib import Path

from dovetail import Client


def peak() -> int:
    """The most that this program held, in KiB; what getrusage says begins with its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


async def main() -> None:
    async with Client(sys.argv[1:], timeout=120) as client:
        before = peak()
        tools = await client.list_tools()
        after = peak()
        size = sum(len(tool.input_schema) + len(tool.name) + len(tool.description or "") for tool in tools)
        sys.stdout.write(json.dumps({"tools": len(tools), "bytes": size, "peak": (after - before) * 1024}) + "\n")


asyncio.run(main())
