"""What a client can be pointed at, and how to reach it.

"https://example.com/mcp"            Streamable HTTP, or the 2024-11-05 transport
"server.py", Path("server.js")       a file, run by its own interpreter, over stdio
["npx", "-y", "..."]                 a program and its arguments, over stdio
{"command": ..., "args": [...]}      a manifest entry, in any spelling that people use
{"mcpServers": {name: entry}}        a manifest of one server; also `servers`, or `{name: entry}` alone
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

from dovetail.errors import DefinitionError, quote
from dovetail.net import Channel

_URL: Final = re.compile(r"https?://", re.IGNORECASE)
_USER: Final = re.compile(r"//[^/@]*@")
_ADDRESS_KEYS: Final = ("url", "serverUrl", "httpUrl", "endpoint")
_KNOWN: Final = frozenset(
    {"command", "args", "env", "environment", "cwd", "workingDirectory", "headers", "requestInit", "type", "transport"}
    | {"transportType", *_ADDRESS_KEYS}
)
"""What is read of an entry; all else is somebody else's, and nothing in it is looked up."""
_HOST: Final = re.compile(r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?P<port>:\d{1,5})?(?:/\S*)?")
_VARIABLE: Final = re.compile(r"\$\{(?P<name>[^}:]+(?::(?!-)[^}:]*)?)(?::-(?P<default>[^}]*))?\}")
_WRAPPERS: Final = ("mcpServers", "servers")
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
        case Sequence() if given and all(isinstance(item, str | os.PathLike) for item in given):
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
    """Read a manifest entry: `command`/`args`/`env`/`cwd`, or `url`/`headers` with `type` or `transport`.

    Variables that the client was given besides (`env`) come before those of the entry.
    """
    known = {key: value for key, value in _only_entry(manifest).items() if key in _KNOWN}
    defaults = {"workspaceFolder": os.getcwd(), **_inputs(manifest)}
    entry = expanded(known, {**defaults, **os.environ, **env})
    url = next((entry[key] for key in _ADDRESS_KEYS if key in entry), None)
    kind = _kind(entry)
    if isinstance(url, str) and kind != "stdio":
        # "a URL ending in /sse" is the older transport's, by a convention of those who write such entries.
        sse = kind == "sse" or (not kind and url.partition("?")[0].endswith("/sse"))
        return Address(_address(url), {**_requested(entry), **_texts(entry, "headers")}, sse=sse)
    command = entry.get("command")
    words = [command] if isinstance(command, str) else command
    args = entry.get("args") or []
    if isinstance(args, list):
        args = [str(word) if isinstance(word, int | float) and not isinstance(word, bool) else word for word in args]
    words = [*words, *args] if isinstance(words, list) and isinstance(args, list) else []
    if not words or not all(isinstance(word, str) for word in words):
        if isinstance(url, str):
            raise DefinitionError("A manifest entry of type `stdio` needs `command`; for its URL leave the type out")
        raise DefinitionError("A manifest entry needs `command` (with `args`), or `url`")
    cwd = entry.get("cwd", entry.get("workingDirectory"))
    own = {name: value for name, value in env.items() if not name.startswith("input:")}
    return Program(tuple(words), {**_texts(entry, "environment"), **_texts(entry, "env"), **own}, cwd)


def _kind(entry: Mapping[str, Any]) -> str:
    """Return the transport that an entry names, in lower case, under whichever key; empty for none."""
    given = entry.get("type", entry.get("transport", entry.get("transportType", "")))
    if isinstance(given, Mapping):
        given = given.get("type", "")
    return str(given).lower()


def _requested(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the header fields that stand where the TypeScript SDK and the Inspector have them."""
    given = entry.get("requestInit")
    return _texts(given, "headers") if isinstance(given, Mapping) else {}


def _inputs(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what VS Code would offer when it asks for an input: what has no default must be given by `env`."""
    given = manifest.get("inputs")
    asked = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    return {f"input:{each.get('id')}": str(each["default"]) for each in asked if each.get("default") is not None}


def _only_entry(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one entry of a manifest: under `mcpServers` or `servers`, in a bare map of names, or the thing itself.

    Raises:
        DefinitionError: There are several, or none.
    """
    where, inner = "", manifest
    for wrapper in _WRAPPERS:
        if isinstance(found := manifest.get(wrapper), Mapping):
            where, inner = f"{wrapper}: ", found
            break
    else:
        known = ("command", *_ADDRESS_KEYS)
        bare = manifest and not any(key in manifest for key in known)
        if not bare or not all(
            isinstance(item, Mapping) and any(key in item for key in known) for item in manifest.values()
        ):
            return manifest
    if len(inner) != 1:
        raise DefinitionError(f"{where}a client is for one server, and here are {len(inner)}: use a Host")
    entry = next(iter(inner.values()))
    if not isinstance(entry, Mapping):
        raise DefinitionError(f"A manifest entry is an object with `command` or `url`, not {type(entry).__name__}")
    return entry


def expanded(value: Any, variables: Mapping[str, str]) -> Any:
    """Return JSON with the variables in its texts replaced: `${NAME}`, `${env:NAME}`, `${NAME:-default}`.

    Raises:
        DefinitionError: One that is not defined, and has no default; it is named.
    """
    if isinstance(value, Mapping):
        return {key: expanded(item, variables) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [expanded(item, variables) for item in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, default = found["name"].removeprefix("env:"), found["default"]
    value = variables.get(name)
    if default is not None and not value:
        return default
    if value is None:
        if name.startswith("input:"):
            raise DefinitionError(f"{name}: a manifest entry asks for this; give it as env={{{name!r}: ...}}")
        raise DefinitionError(
            f"{name}: a manifest entry uses this variable, and it is neither defined nor has a default"
        )
    return value


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


def _texts(entry: Mapping[str, Any], key: str) -> dict[str, str]:
    given = entry.get(key) or {}
    if not isinstance(given, Mapping) or not all(isinstance(value, str | int | float) for value in given.values()):
        raise DefinitionError(f"{key}: expected an object of texts")
    return {str(name): _word(value) for name, value in given.items()}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
