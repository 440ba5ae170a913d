"""All that a server offers, as a client on the newest revision sees it: asked in memory, through the real framing.

Besides, the scopes that an entry needs, which no client sees.

The picture is stable: lists are sorted by name, sets that JSON Schema writes as arrays are sorted, and what belongs to
one answer (its id, caching hints, cursors), or to this library (the revisions that it speaks), is left out. So two
pictures differ only where the servers do.
"""

import asyncio
import itertools
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from dovetail.cli.loading import NotLoaded, own_trace
from dovetail.core import Principal
from dovetail.revisions import NEWEST
from dovetail.wire import CLIENT_CAPABILITIES, PROTOCOL_VERSION, SERVER_INFO

if TYPE_CHECKING:
    from dovetail.net import Channel
    from dovetail.server import Server

LISTS: Final = {
    # What it is called here: its capability, the method that lists it, the member of the result, what names an entry.
    "tools": ("tools", "tools/list", "tools", "name"),
    "resources": ("resources", "resources/list", "resources", "uri"),
    "resourceTemplates": ("resources", "resources/templates/list", "resourceTemplates", "uriTemplate"),
    "prompts": ("prompts", "prompts/list", "prompts", "name"),
}
SECONDS: Final = 30.0
"""How long a server may take to start and to answer."""
_SETS: Final = frozenset({"required", "type"})

Json = dict[str, Any]


def offered(server: "Server") -> Json:
    """Return what a server offers.

    Raises:
        NotLoaded: It does not start, or does not answer.
    """
    try:
        return asyncio.run(_ask_all(server))
    except _Silent as silent:
        trace = "" if silent.error is None else own_trace(silent.error)
        raise NotLoaded(f"the server {server.name!r} does not start", trace) from None
    except TimeoutError:
        raise NotLoaded(f"the server {server.name!r} did not answer within {SECONDS:g} seconds") from None


async def _ask_all(server: "Server") -> Json:
    async with asyncio.timeout(SECONDS):
        client = _Client(server)
        try:
            about = await client.call("server/discover")
            info = about["_meta"][SERVER_INFO]
            found: Json = {"revision": NEWEST.version, "server": info}
            found |= {key: about[key] for key in ("capabilities", "instructions") if key in about}
            for name, (capability, method, member, key) in LISTS.items():
                entries = await client.list(method, member) if capability in about["capabilities"] else []
                needed = _scopes_by_name(server, name)
                seen = (_steady(entry) | needed.get(entry[key], {}) for entry in entries)
                found[name] = sorted(seen, key=lambda entry: str(entry[key]))
            return found
        finally:
            await client.channel.aclose()


class _Silent(Exception):
    """The server has gone without an answer."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__()
        self.error = error


class _Client:
    """A client that may see everything: it was granted each scope that an entry asks for."""

    def __init__(self, server: "Server") -> None:
        self.channel: Channel = server.connect(Principal(bucket="local", scopes=_scopes(server)))
        self._failure: BaseException | None = None
        asyncio.get_running_loop().set_exception_handler(self._failed)
        self._ids = itertools.count(1)

    async def call(self, method: str, **params: Any) -> Json:
        meta = {PROTOCOL_VERSION: NEWEST.version, CLIENT_CAPABILITIES: {}}
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": {**params, "_meta": meta}}
        self.channel.send(json.dumps(request).encode())
        while True:
            answer = await self.channel.receive()
            if answer is None:
                await asyncio.sleep(0)  # what ended it is told in this turn of the loop
                raise _Silent(self._failure)
            if not isinstance(answer, bytes):
                raise NotLoaded(f"the answer to {method} is longer than the server's own limit on a message")
            message: Json = json.loads(answer)
            if message.get("id") != request["id"]:
                continue
            if "error" in message:
                raise NotLoaded(f"{method} failed: {message['error']['message']}")
            result: Json = message["result"]
            return result

    async def list(self, method: str, member: str) -> list[Json]:
        """Return all pages of a list."""
        entries: list[Json] = []
        cursor: Json = {}
        while True:
            page = await self.call(method, **cursor)
            entries += page[member]
            if page.get("nextCursor") is None:
                return entries
            cursor = {"cursor": page["nextCursor"]}

    def _failed(self, loop: asyncio.AbstractEventLoop, told: Json) -> None:
        self._failure = self._failure or told.get("exception")


def _scopes(server: "Server") -> frozenset[str]:
    catalogue = server.catalogue
    shelves: Iterable[Iterable[Any]] = (catalogue.tools, catalogue.resources, catalogue.templates, catalogue.prompts)
    return frozenset(scope for shelf in shelves for entry in shelf for scope in entry.scopes or ())


def _scopes_by_name(server: "Server", kind: str) -> dict[str, Json]:
    """Return what no list says: who lacks a scope does not see the entry at all."""
    catalogue = server.catalogue
    shelves: dict[str, Iterable[Any]] = {
        "tools": catalogue.tools,
        "resources": catalogue.resources,
        "resourceTemplates": catalogue.templates,
        "prompts": catalogue.prompts,
    }
    return {entry.name: {"scopes": sorted(entry.scopes)} for entry in shelves[kind] if entry.scopes}


def _steady(value: Any) -> Any:
    """Sort what is a set: of names that are required, of types that are allowed."""
    if isinstance(value, dict):
        return {key: sorted(each) if _is_set(key, each) else _steady(each) for key, each in value.items()}
    return [_steady(each) for each in value] if isinstance(value, list) else value


def _is_set(key: str, value: Any) -> bool:
    return key in _SETS and isinstance(value, list) and all(isinstance(each, str) for each in value)
