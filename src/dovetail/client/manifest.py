"""Manifests: what the configuration of a client says of its servers, in the spellings that people use.

    {"mcpServers": {"shop": {"command": "npx", "args": ["-y", "shop"], "env": {"KEY": "${TOKEN}"}}}}

The servers stand under `mcpServers` (Claude, Cursor), `servers` (VS Code), `mcp_servers` (Codex) or `context_servers`
(Zed), by name or in a list (Continue); any of these may lie inside `mcp`, as in files of settings; or they are a bare
map of names; or there is but one entry. What is not known of an entry is somebody else's, and nothing in it is looked
up.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from dovetail.errors import DefinitionError, quote

ADDRESS_KEYS: Final = ("url", "serverUrl", "httpUrl", "endpoint")
_WRAPPERS: Final = ("mcpServers", "mcp_servers", "servers", "context_servers")
_ENTRY: Final = frozenset({"command", *ADDRESS_KEYS})
_KNOWN: Final = _ENTRY | frozenset(
    "args env environment envFile env_vars cwd workingDirectory headers requestInit requestOptions apiKey type "
    "transport transportType http_headers env_http_headers bearer_token_env_var".split()
)
_TRANSPORTS: Final = frozenset(
    {"", "stdio", "local", "sse", "http", "remote", "streamable-http", "streamable_http", "streamablehttp"}
)
_VARIABLE: Final = re.compile(
    r"\$\{\{\s*(?:secrets|inputs|env)\.(?P<secret>[\w-]+)\s*\}\}"  # Continue
    r"|(?<!\$)\{env:(?P<env>[^{}:]+)\}"  # OpenCode; `${env:NAME}` of the others begins before it
    r"|\$\{(?P<name>[^}:]+(?::(?!-)[^}:]*)?)(?::-(?P<default>[^}]*))?\}"
)
_LINE: Final = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(?P<value>.*)")
_MOST_BYTES: Final = 1 << 20


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One server of a manifest, read: a program, or else a URL.

    Attributes:
        argv: The program and its arguments; empty for a URL.
        env: Its variables.
        cwd: Its working directory; None for ours.
        url: Where the server is; as it is written.
        headers: Header fields of every request.
        sse: It is known to speak the 2024-11-05 transport.
    """

    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = {}
    sse: bool = False


def servers_in(document: Any) -> dict[str, Any] | None:
    """Return the entries of a manifest by their names, whatever they are; None for what is no manifest.

    A document that is an entry itself has the name "". One that was written for two clients has the servers of both.

    Raises:
        DefinitionError: Two of a list, or two that are not the same, have one name.
    """
    if not isinstance(document, Mapping):
        return None
    if _ENTRY & document.keys():
        return {"": document}
    wrapped = [_by_name(found) for key in _WRAPPERS if isinstance(found := document.get(key), list | Mapping)]
    if wrapped:
        return _together(wrapped)
    if isinstance(document.get("mcp"), Mapping):
        return servers_in(document["mcp"])
    bare = {str(name): each for name, each in document.items() if isinstance(each, Mapping)}
    return bare if any(_ENTRY & each.keys() for each in bare.values()) else None


def telling(document: Any) -> Iterator[tuple[Any, Collection[str]]]:
    """Yield the objects of a manifest that tell which servers there are, each with those of its names that do."""
    if not isinstance(document, Mapping):
        return
    yield document, (*_WRAPPERS, "mcp")
    wrapped = [found for key in _WRAPPERS if isinstance(found := document.get(key), list | Mapping)]
    for each in wrapped:
        yield each, list(map(str, each)) if isinstance(each, Mapping) else ()
    if not wrapped and isinstance(document.get("mcp"), Mapping):
        yield from telling(document["mcp"])
    elif not wrapped:
        yield document, servers_in(document) or ()


def _by_name(given: list[Any] | Mapping[Any, Any]) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return {str(name): each for name, each in given.items()}
    found: dict[str, Any] = {}
    for at, each in enumerate(given, 1):
        name = str(each.get("name", at) if isinstance(each, Mapping) else at)
        if name in found:
            raise _twins(name)
        found[name] = each
    return found


def _together(wrapped: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in ((name, each) for servers in wrapped for name, each in servers.items()):
        if found.setdefault(name, each) != each:
            raise _twins(name)
    return found


def _twins(name: str) -> DefinitionError:
    return DefinitionError(f"two servers of the manifest have the name {quote(name, 64)}: rename one of them")


def switched_off(entry: Mapping[str, Any]) -> bool:
    """Tell whether a client would leave the server out: `disabled` (Cline), or `enabled` (Codex, OpenCode, Zed)."""
    return _word(entry.get("disabled")).lower() == "true" or _word(entry.get("enabled")).lower() == "false"


def meant(servers: Mapping[str, Any]) -> list[str]:
    """Return the names of the servers that are meant where none is named: all that are on; the only one in any case."""
    on = [name for name, each in servers.items() if not (isinstance(each, Mapping) and switched_off(each))]
    return on if on and len(servers) > 1 else list(servers)


def environment_key(entry: Mapping[str, Any]) -> str | None:
    """Return the key under which an entry has variables for a process of its own; None when it has none.

    `env_vars` (Codex) is none: it passes on what this process has.
    """
    flat = _flat(entry)
    return next((key for key in ("env", "environment", "envFile") if flat.get(key)), None)


def words_in(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the program and its arguments as they are written, variables and all: what may be shown.

    Raises:
        DefinitionError: There is none.
    """
    return _words(_flat(entry))


def address_in(entry: Mapping[str, Any]) -> Any:
    """Return the URL that an entry gives, under whichever key; None for none."""
    return next((entry[key] for key in ADDRESS_KEYS if key in entry), None)


def read_entry(manifest: Mapping[str, Any], env: Mapping[str, str]) -> Entry:
    """Read an entry, or a manifest of one server.

    Args:
        manifest: It.
        env: Variables that the client was given besides: they come before those of the entry. `input:ID` answers what
            VS Code would ask for.

    Raises:
        DefinitionError: It is none, or names a variable that there is not.
    """
    variables = {**_places(), **_inputs(manifest), **os.environ, **env}
    known = {key: value for key, value in _only(manifest).items() if key in _KNOWN}
    entry = _flat(expanded(known, variables))
    url, kind = address_in(entry), _kind(entry)
    if isinstance(url, str) and kind not in ("stdio", "local"):
        # "a URL ending in /sse" is the older transport's, by a convention of those who write such entries.
        sse = kind == "sse" or (not kind and url.partition("?")[0].endswith("/sse"))
        return Entry(url=url, headers=_headers(entry, variables), sse=sse)
    own = {name: value for name, value in env.items() if not name.startswith("input:")}
    given = _env_file(entry) | _passed(entry, variables) | _texts(entry, "environment") | _texts(entry, "env") | own
    return Entry(argv=_words(entry), env=given, cwd=_folder(entry))


def expanded(value: Any, variables: Mapping[str, str]) -> Any:
    """Return JSON with the variables in its texts replaced: `${NAME}`, `${env:NAME}`, `${NAME:-default}`, `{env:NAME}`.

    Raises:
        DefinitionError: One that is not defined, and has no default; it is named.
    """
    if isinstance(value, Mapping):
        return {key: expanded(item, variables) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [expanded(item, variables) for item in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, default = (found["secret"] or found["env"] or found["name"]).removeprefix("env:"), found["default"]
    value = variables.get(name)
    if default is not None and not value:
        return default
    if value is None:
        if name.startswith("input:"):
            raise DefinitionError(
                f"{name}: a manifest entry asks for this; give it as env={{{name!r}: ...}}, or in the manifest: write "
                "the value in its place, or give its input a `default`"
            )
        raise DefinitionError(
            f"{name}: a manifest entry uses this variable, and it is neither defined nor has a default"
        )
    return value


def _places() -> dict[str, str]:
    """Return the variables that VS Code and Cursor know besides the environment's."""
    here = os.getcwd()
    return {
        "workspaceFolder": here,
        "workspaceFolderBasename": os.path.basename(here),
        "userHome": os.path.expanduser("~"),
        "pathSeparator": os.sep,
        "/": os.sep,
    }


def _inputs(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what VS Code would offer when it asks for an input: what has no default must be given by `env`."""
    inner = manifest.get("mcp")
    given = manifest.get("inputs", inner.get("inputs") if isinstance(inner, Mapping) else None)
    asked = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    return {f"input:{each.get('id')}": str(each["default"]) for each in asked if each.get("default") is not None}


def _only(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    servers = servers_in(manifest)
    if servers is None:
        raise DefinitionError("A manifest entry needs `command` (with `args`), or `url`")
    names = meant(servers)
    if len(names) != 1:
        raise DefinitionError(f"a client is for one server, and here are {len(names)}: use a Host")
    entry = servers[names[0]]
    if not isinstance(entry, Mapping):
        raise DefinitionError(f"A manifest entry is an object with `command` or `url`, not {type(entry).__name__}")
    return entry


def _flat(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an entry whose command is an object (Zed) as others write it."""
    command = entry.get("command")
    if not isinstance(command, Mapping):
        return entry
    inner = {key: command[key] for key in ("args", "env") if command.get(key) is not None}
    return {**entry, "command": command.get("path"), **inner}


def _kind(entry: Mapping[str, Any]) -> str:
    """Return the transport that an entry names, in lower case, under whichever key; empty for none."""
    given = entry.get("type", entry.get("transport", entry.get("transportType", "")))
    if isinstance(given, Mapping):
        given = given.get("type", "")
    kind = str(given).lower()
    if kind not in _TRANSPORTS:
        raise DefinitionError(f"type: {quote(kind, 32)} is no transport of MCP; expected stdio, http or sse")
    return kind


def _words(entry: Mapping[str, Any]) -> tuple[str, ...]:
    command, args = entry.get("command"), entry.get("args") or []
    words = [command] if isinstance(command, str) else command
    if isinstance(args, list):
        args = [str(word) if isinstance(word, int | float) and not isinstance(word, bool) else word for word in args]
    words = [*words, *args] if isinstance(words, list) and isinstance(args, list) else []
    if words and words[0] and all(isinstance(word, str) for word in words):
        return tuple(words)
    if address_in(entry) is not None:
        raise DefinitionError("A manifest entry of type `stdio` needs `command`; for its URL leave the type out")
    raise DefinitionError("A manifest entry needs `command` (with `args`), or `url`")


def _folder(entry: Mapping[str, Any]) -> str | None:
    given = entry.get("cwd", entry.get("workingDirectory"))
    if given is None or (isinstance(given, str) and given):
        return given
    raise DefinitionError(f"cwd: expected the path of a directory, not {type(given).__name__}")


def _env_file(entry: Mapping[str, Any]) -> dict[str, str]:
    """Read `envFile` (VS Code): `NAME=VALUE` a line, in quotes or without; `#` begins a comment."""
    path = entry.get("envFile")
    if path is None:
        return {}
    if not isinstance(path, str):
        raise DefinitionError(f"envFile: expected the path of a file, not {type(path).__name__}")
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "it is not UTF-8"
        raise DefinitionError(f"envFile: cannot read {quote(Path(path).name, 64)}: {said}") from None
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return {line["name"]: _unquoted(line["value"]) for line in found if line is not None}


def _passed(entry: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Return our own variables that are passed on (Codex)."""
    names = entry.get("env_vars") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DefinitionError("env_vars: expected a list of names")
    return {name: variables[name] for name in names if name in variables}


def _unquoted(value: str) -> str:
    if value[:1] in ("'", '"') and (end := value.find(value[0], 1)) > 0:
        return value[1:end]
    return re.split(r"\s#", value, maxsplit=1)[0].rstrip()


def _headers(entry: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the header fields of an entry, wherever the Inspector, Codex and Continue have them."""
    fields: dict[str, str] = {}
    if isinstance(key := entry.get("apiKey"), str):
        fields["Authorization"] = f"Bearer {key}"
    for place in ("requestInit", "requestOptions"):
        inner = entry.get(place)
        fields |= _texts(inner, "headers") if isinstance(inner, Mapping) else {}
    named = _texts(entry, "env_http_headers")
    fields |= _texts(entry, "http_headers") | {name: _variable(key, variables) for name, key in named.items()}
    bearer = entry.get("bearer_token_env_var")
    if isinstance(bearer, str):
        fields["Authorization"] = f"Bearer {_variable(bearer, variables)}"
    return fields | _texts(entry, "headers")


def _variable(name: str, variables: Mapping[str, str]) -> str:
    return str(expanded(f"${{{name}}}", variables))


def _texts(entry: Mapping[str, Any], key: str) -> dict[str, str]:
    given = entry.get(key) or {}
    if not isinstance(given, Mapping) or not all(isinstance(value, str | int | float) for value in given.values()):
        raise DefinitionError(f"{key}: expected an object of texts")
    return {str(name): _word(value) for name, value in given.items()}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
