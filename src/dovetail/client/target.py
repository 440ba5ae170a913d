"""What a client can be pointed at, and how to reach it.

"https://example.com/mcp"            Streamable HTTP, or the 2024-11-05 transport
"server.py", Path("server.js")       a file, run by its own interpreter, over stdio
["npx", "-y", "..."]                 a program and its arguments, over stdio
{"command": ..., "args": [...]}      a manifest entry, in any spelling that people use
{"mcpServers": {name: entry}}        a manifest of one server, likewise
server                               an object with `connect()`, such as `dovetail.Server`: in memory
channel                              an open channel
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from dovetail.client.manifest import read_entry
from dovetail.errors import DefinitionError, quote
from dovetail.net import Channel

_URL: Final = re.compile(r"https?://", re.IGNORECASE)
_USER: Final = re.compile(r"//[^/@]*@")
_HOST: Final = re.compile(r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?P<port>:\d{1,5})?(?:/\S*)?")
_INTERPRETERS: Final = {".py": (sys.executable,), ".js": ("node",), ".mjs": ("node",), ".cjs": ("node",)}


@runtime_checkable
class Connectable(Protocol):
    """A server in this process."""

    def connect(self) -> Channel:
        """Return the client's end of a connection to it."""
        ...


class Address(msgspec.Struct, frozen=True):
    """A server over HTTP.

    Attributes:
        url: Its endpoint.
        headers: Header fields of every request.
        sse: It is known to speak the 2024-11-05 transport.
    """

    url: str
    headers: Mapping[str, str] = {}
    sse: bool = False

    def __str__(self) -> str:
        return _USER.sub("//", self.url.partition("#")[0].partition("?")[0], count=1)


class Program(msgspec.Struct, frozen=True):
    """A server to be started as a child process.

    Attributes:
        argv: The program and its arguments; no shell sees them.
        env: Environment variables, besides the harmless ones that it inherits.
        cwd: Its working directory; None for ours.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    cwd: str | None = None

    def __str__(self) -> str:
        return Path(self.argv[0]).name + (f" {Path(self.argv[1]).name}" if len(self.argv) > 1 else "")


class Neighbour(msgspec.Struct, frozen=True):
    """A server in this process, or behind an open channel."""

    server: Any

    def __str__(self) -> str:
        return str(getattr(self.server, "name", None) or type(self.server).__name__)


Target = Address | Program | Neighbour


def target_of(given: Any, env: Mapping[str, str] | None = None, cwd: str | os.PathLike[str] | None = None) -> Target:
    """Return what a target means.

    Raises:
        DefinitionError: It means nothing.
    """
    match given:
        case Address() | Program() | Neighbour():
            return given
        case str() if _URL.match(given):
            return Address(_address(given))
        case str() | os.PathLike():
            return _file(os.fspath(given), env or {}, cwd)
        case Mapping():
            return _entry(given, env or {})
        case Sequence() if given and given[0] and all(isinstance(item, str | os.PathLike) for item in given):
            return Program(tuple(map(os.fspath, given)), dict(env or {}), None if cwd is None else os.fspath(cwd))
        case Connectable():
            return Neighbour(given)
        case _ if hasattr(given, "receive") and hasattr(given, "send"):
            return Neighbour(given)
    raise DefinitionError(
        "A client needs a URL, a file, an argument vector, a manifest entry, a Server or a channel, "
        f"not {type(given).__name__}"
    )


def _file(path: str, env: Mapping[str, str], cwd: str | os.PathLike[str] | None) -> Target:
    if "://" in path:
        raise _no_scheme(path)
    suffix = Path(path).suffix.lower()
    if suffix not in _INTERPRETERS:
        if _is_host(path):
            raise _no_scheme(path)
        raise DefinitionError(
            f"{Path(path).name!r} is no URL and no .py or .js file; give a program as a list: {path.split()!r}"
        )
    if not os.path.isfile(os.path.join(cwd or ".", path)):
        raise DefinitionError(f"There is no file {path!r}")
    return Program((*_INTERPRETERS[suffix], path), dict(env), None if cwd is None else os.fspath(cwd))


def _entry(manifest: Mapping[str, Any], env: Mapping[str, str]) -> Target:
    entry = read_entry(manifest, env)
    if entry.argv:
        return Program(entry.argv, entry.env, entry.cwd)
    return Address(_address(entry.url), entry.headers, sse=entry.sse)


def _address(url: str) -> str:
    """Return a URL with its scheme in lower case: "schemes are case-insensitive" (RFC 3986, section 3.1).

    Raises:
        DefinitionError: It is none of HTTP, or cannot be read.
    """
    from urllib.parse import urlsplit

    if not _URL.match(url):
        raise _no_scheme(url)
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise DefinitionError("The URL cannot be read: its host or its port is none") from None
    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}"


def _is_host(text: str) -> bool:
    """Tell whether a text reads as a URL whose scheme was left out: `127.0.0.1:8000/mcp`, `example.com/mcp`."""
    found = _HOST.fullmatch(text)
    if found is None:
        return False
    named = "." in found["host"] or found["host"] == "localhost" or found["host"].startswith("[")
    return found["port"] is not None or (named and "/" in text)


def _no_scheme(url: str) -> DefinitionError:
    scheme, mark, _ = url.partition("://")
    if mark:
        return DefinitionError(f"{scheme[:32]}: is no scheme of MCP; expected http or https")
    return DefinitionError(
        f"{quote(url.partition('?')[0], 64)} is no URL without its scheme: put http:// or https:// before it"
    )
