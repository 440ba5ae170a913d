"""`dovetail serve --from MANIFEST`: several servers on one port, and what to do with them said once they are there."""

import asyncio
import shlex
import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dovetail.cli.contents import tool_text
from dovetail.cli.manifest import Entry, read_manifest
from dovetail.cli.showing import Line, show
from dovetail.client import Client
from dovetail.errors import DovetailError

_LINES: Final = 6
_WIDE: Final = 160


def serve_manifest(given: Mapping[str, Any]) -> int:
    """Serve the servers of a manifest until stopped; return the exit status.

    Raises:
        DovetailError: The manifest, a server in it or an option makes no sense.
    """
    from dovetail.server import run_together

    options = dict(given)
    options.pop("transport", None)
    entries = read_manifest(options.pop("manifest"))
    servers = {entry.name: entry.load() for entry in entries}
    told: list[asyncio.Task[None]] = []

    def ready(url: str) -> None:
        told.append(asyncio.get_running_loop().create_task(_tell(url.rstrip("/"), entries)))

    run_together(servers, **options, on_ready=ready)
    return 0


async def _tell(url: str, entries: list[Entry]) -> None:
    show(_running(url, entries))
    for entry in entries:
        for tool, arguments in entry.calls:
            show(await _tried(_endpoint(url, entry), tool, arguments))
    sys.stdout.flush()


def _endpoint(url: str, entry: Entry) -> str:
    return f"{url}/{entry.name}/mcp"


def _running(url: str, entries: list[Entry]) -> list[Line]:
    wide = max(len(entry.name) for entry in entries)
    lines = [Line([("Running", "bold")])]
    lines += [
        Line(
            [(f"  {entry.name:<{wide}}  ", "cyan"), (_endpoint(url, entry), ""), (f"  {_said(entry)}", "dim")], cut=True
        )
        for entry in entries
    ]
    block = {"mcpServers": {entry.name: {"type": "http", "url": _endpoint(url, entry)} for entry in entries}}
    text = msgspec.json.format(msgspec.json.encode(block), indent=2).decode()
    lines += [Line([("", "")])]
    lines.append(
        Line([("Paste into a client's configuration", "bold"), (' (VS Code: "servers" for "mcpServers")', "dim")])
    )
    lines += [Line([(line, "")]) for line in text.splitlines()]
    if any(entry.calls for entry in entries):
        lines += [Line([("", "")]), Line([("Try", "bold")])]
    return lines


def _said(entry: Entry) -> str:
    return shlex.join(["dovetail", *entry.words])


async def _tried(endpoint: str, tool: str, arguments: dict[str, Any]) -> list[Line]:
    """Make a call and return it as it is typed, with its answer."""
    typed = shlex.join(["dovetail", "call", endpoint, tool, *map(_argument, arguments.items())])
    try:
        async with Client(endpoint) as client:
            result = await client.call_tool(tool, arguments, timeout=30)
        answer = tool_text(result.content, result.structured if result.has_structured else None).splitlines()
    except DovetailError as error:
        answer = [str(error)]
    shown = [line if len(line) <= _WIDE else f"{line[: _WIDE - 3]}..." for line in answer[:_LINES]]
    if len(answer) > _LINES:
        shown.append(f"... {len(answer) - _LINES} lines more")
    return [Line([("  $ ", "dim"), (typed, "cyan")]), *(Line([(f"    {line}", "")]) for line in shown)]


def _argument(pair: tuple[str, Any]) -> str:
    name, value = pair
    return f"{name}={value}" if isinstance(value, str) else f"{name}:={msgspec.json.encode(value).decode()}"
