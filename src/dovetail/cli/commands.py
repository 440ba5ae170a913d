"""`dovetail list`, `call`, `read`, `prompt` and `listen`: one visit to a server each."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from dovetail.cli.contents import pretty, resource_text, show_role, show_text, text_of, tool_text, write_raw
from dovetail.cli.giving import given
from dovetail.cli.options import Usage
from dovetail.cli.tables import prompts, resources, templates, tools
from dovetail.cli.terminal import shown
from dovetail.cli.visiting import Visit, server_name, talking
from dovetail.client import Change, Client
from dovetail.errors import METHOD_NOT_FOUND, PeerError
from dovetail.wire import Tool

Json = dict[str, Any]


class Kind(msgspec.Struct, frozen=True):
    """A kind of thing that can be listed.

    Attributes:
        member: What it is called in JSON.
        capability: What a server declares that has it.
        ask: The client's call.
        show: Prints it for people.
    """

    member: str
    capability: str
    ask: Callable[[Client], Awaitable[list[Any]]]
    show: Callable[[Any], None]


KINDS: Final = {
    "tools": Kind("tools", "tools", lambda client: client.list_tools(), tools),
    "resources": Kind("resources", "resources", lambda client: client.list_resources(), resources),
    "templates": Kind("resourceTemplates", "resources", lambda client: client.list_resource_templates(), templates),
    "prompts": Kind("prompts", "prompts", lambda client: client.list_prompts(), prompts),
}


def put(value: Any) -> None:
    """Print JSON for a program."""
    sys.stdout.write(pretty(value) + "\n")
    sys.stdout.flush()


async def list_(doing: Visit) -> int:
    """Show what a server offers."""
    only = doing.words[0] if doing.words else None
    if only is not None and only not in KINDS:
        raise Usage(f"there is no kind {only!r}; there are {', '.join(KINDS)}")
    async with doing.client() as client:
        found = {
            name: await _listed(client, kind, name == only) for name, kind in KINDS.items() if only in (None, name)
        }
        peer = client.server
    if doing.as_json:
        put(
            {
                "revision": peer.revision.version,
                "server": peer.info,
                "instructions": peer.instructions,
                **{KINDS[name].member: list(entries) for name, entries in found.items()},
            }
        )
        return 0
    version = f" {shown(peer.info.version)}" if peer.info is not None else ""
    show_text(f"{server_name_of(doing, peer.info)}{version}, MCP {peer.revision.version}")
    if peer.instructions and only is None:
        show_text(f"  {shown(peer.instructions)}")
    for name, entries in found.items():
        if entries or only is not None:
            show_text("\n" if only is None else "")
            KINDS[name].show(entries)
    if not any(found.values()):
        show_text(f"It offers no {only or 'tools, resources or prompts'}.")
    return 0


def server_name_of(doing: Visit, info: Any) -> str:
    """Return what to call a server that may have kept its name to itself."""
    return shown(info.title or info.name) if info is not None else "A server without a name"


async def _listed(client: Client, kind: Kind, wanted: bool) -> list[Any]:
    """List a kind; nothing where the server has none of it."""
    if getattr(client.server.capabilities, kind.capability) is None and not wanted:
        return []
    try:
        return await kind.ask(client)
    except PeerError as error:
        if error.code == METHOD_NOT_FOUND and not wanted:
            return []  # such as templates, which many a server with resources does not have
        raise


async def call(doing: Visit) -> int:
    """Call a tool."""
    name, *words = doing.words
    client = talking(doing)
    async with client:
        tool = await _tool(client, name)
        schema = None if tool is None else msgspec.json.decode(tool.input_schema)
        arguments = given(words, schema if isinstance(schema, dict) else None)
        result = await client.call_tool(name, arguments)
    doing.teller.clear()
    if doing.as_json:
        told: Json = {"content": result.content}
        if result.has_structured:
            told["structuredContent"] = result.structured
        put({**told, "isError": result.is_error, **({"_meta": result.meta} if result.meta else {})})
    elif result.is_error:
        text = tool_text(result.content, None)
        doing.teller.say(f"dovetail call: {shown(name)} failed: {text or 'it does not say why'}")
    else:
        show_text(tool_text(result.content, result.structured if result.has_structured else None))
    return 1 if result.is_error else 0


async def _tool(client: Client, name: str) -> Tool | None:
    """Return a tool's description; None where the server does not list it.

    Raises:
        Usage: It lists others, one of which was meant.
    """
    from difflib import get_close_matches

    if client.server.capabilities.tools is None:
        return None
    known = {tool.name: tool for tool in await client.list_tools()}
    if name not in known and (close := get_close_matches(name, known, 1)):
        raise Usage(f"there is no tool {name!r}; did you mean {close[0]}?")
    return known.get(name)


async def read(doing: Visit) -> int:
    """Read a resource."""
    async with talking(doing) as client:
        result = await client.read_resource(doing.words[0])
    doing.teller.clear()
    if doing.as_json:
        put({"contents": result.contents})
    elif sys.stdout.isatty():
        show_text("\n".join(map(resource_text, result.contents)))
    else:
        write_raw(result.contents)
    return 0


async def prompt(doing: Visit) -> int:
    """Show a prompt's messages."""
    name, *words = doing.words
    arguments = {key: _text(value) for key, value in given(words).items()}
    async with talking(doing) as client:
        result = await client.get_prompt(name, arguments)
    doing.teller.clear()
    if doing.as_json:
        put({"description": result.description, "messages": result.messages})
        return 0
    for number, message in enumerate(result.messages):
        show_text("\n" if number else "")
        show_role(message.role)
        show_text(text_of(message.content))
    return 0


def _text(value: Any) -> str:
    """Return a prompt's argument: they are texts, and nothing else."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


async def listen(doing: Visit) -> int:
    """Hear of changes until stopped."""
    options = doing.options
    uris = options.get("uris", [])
    chosen = any(options.get(key) for key in KINDS) or bool(uris)
    client = talking(doing)
    count = options.get("count", sys.maxsize)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform != "win32":  # whose loops know no signals: Ctrl-C ends it there, with another status
            loop.add_signal_handler(number, stopped.set)
    async with client:
        lists: Any = uris or bool(options.get("resources") or not chosen)
        if uris and options.get("resources"):
            raise Usage("--resource and --resources: hear of the list or of some contents, one at a time")
        listening = client.listen(
            tools=bool(options.get("tools") or not chosen),
            prompts=bool(options.get("prompts") or not chosen),
            resources=lists,
        )
        async with listening as changes:
            doing.teller.say(f"Listening to {server_name(client)} (Ctrl-C to stop)")
            hearing = asyncio.ensure_future(_hear(changes, doing, count))
            stopping = asyncio.ensure_future(stopped.wait())
            try:
                await asyncio.wait({hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if hearing.done():
                    hearing.result()
            finally:
                hearing.cancel()
                stopping.cancel()
                await asyncio.gather(hearing, stopping, return_exceptions=True)
    return 0


async def _hear(changes: Any, doing: Visit, count: int) -> None:
    for _ in range(count):
        change = await anext(changes)
        if doing.as_json:
            line = msgspec.json.encode({"kind": change.kind, **({"uri": change.uri} if change.uri else {})}).decode()
        else:
            line = said_of(change)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def said_of(change: Change) -> str:
    """Say a change for people."""
    match change.kind:
        case "resource":
            return f"{shown(change.uri)} has changed"
        case "reopened":
            return "The connection was broken and is open again: anything may have changed"
    return f"The list of {change.kind} has changed"
