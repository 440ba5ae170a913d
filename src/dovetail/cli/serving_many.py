"""`dovetail serve --from MANIFEST`: several servers on one port, and what to do with them said once they are there."""

import asyncio
import shlex
import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dovetail.cli.contents import tool_text
from dovetail.cli.manifest import Entry, Manifest, read_manifest
from dovetail.cli.showing import Line, show
from dovetail.cli.terminal import shown
from dovetail.client import Client, ToolResult
from dovetail.errors import DovetailError
from dovetail.net import abandon
from dovetail.wire import sanitize_text

_LINES: Final = 6
_WIDE: Final = 116


def serve_manifest(given: Mapping[str, Any]) -> int:
    """Serve the servers of a manifest until stopped; return the exit status.

    Raises:
        DovetailError: The manifest, a server in it or an option makes no sense.
    """
    from dovetail.server import run_together

    options = dict(given)
    options.pop("transport", None)
    manifest = read_manifest(options.pop("manifest"))
    servers = {entry.name: entry.load() for entry in manifest.entries}
    told: list[asyncio.Task[None]] = []

    def ready(url: str) -> None:
        told.append(asyncio.get_running_loop().create_task(_tell(url.rstrip("/"), manifest)))

    run_together(servers, **options, on_ready=ready)
    return 0


async def _tell(url: str, manifest: Manifest) -> None:
    try:
        show(_running(url, manifest))
        for entry in manifest.entries:
            for tool, arguments in entry.calls:
                show(await _tried(_endpoint(url, entry), tool, arguments))
        sys.stdout.flush()
    except OSError:
        abandon(sys.stdout)  # nobody reads it; the servers are served all the same


def _endpoint(url: str, entry: Entry) -> str:
    return f"{url}/{entry.name}/mcp"


def _running(url: str, manifest: Manifest) -> list[Line]:
    entries = manifest.entries
    names, places = max(len(entry.name) for entry in entries), max(len(_endpoint(url, entry)) for entry in entries)
    lines = [Line([("Running", "bold")])]
    for entry in entries:
        place = f"{_endpoint(url, entry):<{places}}"
        lines.append(
            Line([(f"  {entry.name:<{names}}  ", "cyan"), (place, ""), (f"  {_said(entry)}", "dim")], cut=True)
        )
    said = ("is switched off in the manifest: left out", "dim")
    lines += [Line([(f"  {shown(name):<{names}}  ", "cyan"), said]) for name in manifest.off]
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
    said = shlex.join(["dovetail", *entry.written])
    return said if entry.cwd is None else f"{said} (in {shown(entry.cwd)})"


async def _tried(endpoint: str, tool: str, arguments: dict[str, Any]) -> list[Line]:
    """Make a call and return it as it is typed, with its answer."""
    typed = shlex.join(["dovetail", "call", endpoint, tool, *map(_argument, arguments.items())])
    try:
        async with Client(endpoint) as client:
            result = await client.call_tool(tool, arguments, timeout=30)
        answer = _answer(result)
    except DovetailError as error:
        answer = shown(str(error)).splitlines()
    told = answer[:_LINES] + ([f"... {len(answer) - _LINES} lines more"] if len(answer) > _LINES else [])
    return [Line([("  $ ", "dim"), (typed, "cyan")]), *(Line([(f"    {line}", "")]) for line in told)]


def _answer(result: ToolResult) -> list[str]:
    """Return what a tool answered in lines that are not too long; JSON as tightly as it goes."""
    if result.has_structured and not result.is_error:
        text = sanitize_text(msgspec.json.encode(result.structured).decode())
        return [text[at : at + _WIDE] for at in range(0, len(text), _WIDE)]
    lines = tool_text(result.content, None).splitlines()
    return [line if len(line) <= _WIDE else f"{line[: _WIDE - 3]}..." for line in lines]


def _argument(pair: tuple[str, Any]) -> str:
    name, value = pair
    return f"{name}={value}" if isinstance(value, str) else f"{name}:={msgspec.json.encode(value).decode()}"
