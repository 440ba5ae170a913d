"""Writes the manifest that `make run` serves: `servers.json`, with what cannot start here switched off.

One server that cannot start ends `dovetail serve --from`, as it should where somebody asked for that server; here a
download without `.git`, or a linked worktree, is no reason to show nothing. Each entry is started once, as a client
would start it, and one that fails is named with its reason.
"""

import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dovetail import Client
from dovetail.errors import DovetailError


def main(source: str, goal: str) -> None:
    """Try each server of one manifest, and write the other."""
    manifest = json.loads(Path(source).read_text())
    servers: dict[str, dict[str, Any]] = manifest["mcpServers"]
    reasons = asyncio.run(tried(servers.values()))
    for (name, entry), why in zip(servers.items(), reasons, strict=True):
        if why:
            print(f"{name} is left out: {why}", file=sys.stderr)
            entry["disabled"] = True
    Path(goal).parent.mkdir(parents=True, exist_ok=True)
    Path(goal).write_text(json.dumps(manifest, indent=2) + "\n")


async def tried(entries: Iterable[dict[str, Any]]) -> list[str]:
    """Start all at once; return the reason of each."""
    return await asyncio.gather(*map(reason, entries))


async def reason(entry: dict[str, Any]) -> str:
    """Say why a server does not start, or does not do what is tried first; nothing when it does."""
    ours = {**entry, "command": sys.executable, "args": ["-m", "dovetail", *entry["args"]]}
    said: list[str] = []
    try:
        async with Client(ours, on_stderr=said.append) as client:
            for tool, arguments in entry.get("try", {}).items():
                result = await client.call_tool(tool, arguments)
                if result.is_error:
                    return result.text
    except DovetailError as error:
        return said[-1] if said else str(error)
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
