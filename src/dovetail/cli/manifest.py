"""A manifest of servers that one process serves: what a client's configuration says, where it starts `dovetail`.

    {"mcpServers": {"files": {"command": "dovetail", "args": ["serve", "files", "docs"]},
                    "shop": {"command": "dovetail", "args": ["run", "shop.py"]}}}

So the block that people paste into a client is a manifest, too, in any of its spellings; JSON, TOML or YAML. An entry
may have `try`: calls that are made once, to show what the server can do.
"""

import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.cli.loading import load
from dovetail.cli.options import SERVE, Usage
from dovetail.cli.serve import ordered
from dovetail.client import servers_in
from dovetail.errors import DefinitionError, quote
from dovetail.servers import make_server
from dovetail.wire import check

if TYPE_CHECKING:
    from dovetail.server import Server

MOST_BYTES: Final = 1 << 20
_OURS: Final = ("serve", "run")


class Entry(msgspec.Struct, frozen=True):
    """One server of a manifest.

    Attributes:
        name: What it is called there.
        words: The arguments of `dovetail`, from `serve` or `run` on.
        calls: Calls to try: tool and arguments.
    """

    name: str
    words: list[str]
    calls: list[tuple[str, dict[str, Any]]]

    def load(self) -> "Server":
        """Return the server.

        Raises:
            DefinitionError: It cannot be made as the entry says, or lacks a tool that is to be tried.
            NotLoaded: Its file fails.
        """
        try:
            server = self._made()
            self._check_calls(server)
            return server
        except (Usage, DefinitionError) as error:
            raise DefinitionError(f"{self.name}: {error}") from None

    def _made(self) -> "Server":
        if self.words[0] == "serve":
            http = {option.flag for option in SERVE if option.http}
            for word in self.words[1:]:
                if (flag := word.partition("=")[0]) in http:
                    raise Usage(f"{flag} is for all servers: say it once, beside --from")
            order = ordered(self.words[1:])
            if order.options:
                raise Usage(f"{next(iter(order.options))} is for all servers: say it once, beside --from")
            return make_server(order.name, order.settings)
        if len(self.words) != 2:
            raise Usage("expected run FILE[:object], and no options: those are for all servers")
        return load(self.words[1])

    def _check_calls(self, server: "Server") -> None:
        """Look for the tools that are to be tried; a file's own lifespan may add some that are not there yet."""
        if self.words[0] == "run" and server.lifespan is not None:
            return
        known = [tool.name for tool in server.catalogue.tools]
        for tool, _ in self.calls:
            if tool not in known:
                close = get_close_matches(tool, known, 1)
                there = f"did you mean {close[0]}?" if close else f"there are: {', '.join(sorted(known)) or 'none'}"
                raise Usage(f"`try` names a tool {quote(tool, 64)}, which this server does not have; {there}")


def read_manifest(path: str) -> list[Entry]:
    """Return the entries of a manifest, in its order.

    Raises:
        DefinitionError: It cannot be read, or an entry is none that one process can serve; the text says which.
    """
    whole = _decoded(path)
    found = servers_in(whole)
    entries = [_entry(str(name), given) for name, given in (whole if found is None else found).items()]
    if not entries:
        raise DefinitionError(f"{Path(path).name} names no server")
    return entries


def _decoded(path: str) -> dict[str, Any]:
    name = Path(path).name
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DefinitionError(f"Cannot read {name}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise DefinitionError(f"{name} has more than {MOST_BYTES // 1024} KiB: that is no manifest")
    decode = _decoders().get(Path(path).suffix.lower())
    if decode is None:
        raise DefinitionError(f"{name}: a manifest is .json, .toml, .yaml or .yml")
    try:
        found = decode(data)
    except ImportError:
        raise DefinitionError('YAML needs the "cli" extra: pip install "dovetail-mcp[cli]"') from None
    except Exception as error:
        raise DefinitionError(f"{name} cannot be read: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(found, dict):
        raise DefinitionError(f"{name}: expected an object of servers")
    return found


def _decoders() -> Mapping[str, Callable[[bytes], Any]]:
    return {".json": _strictly, ".toml": msgspec.toml.decode, ".yaml": _strict_yaml, ".yml": _strict_yaml}


def _strictly(data: bytes) -> Any:
    check(data)  # of two servers with one name, one would be gone without a word
    return msgspec.json.decode(data)


def _strict_yaml(data: bytes) -> Any:
    import yaml  # type: ignore[import-untyped]  # it has no types, and comes with the extra only

    # msgspec would take the last of two servers with one name, without a word
    waiting: list[Any] = [yaml.compose(data, Loader=yaml.SafeLoader)]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:  # an alias leads to the same node again
            continue
        seen.add(id(node))
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        keys = [key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            raise ValueError("duplicate key")
        waiting += [value for _, value in pairs] or node.value
    return msgspec.yaml.decode(data)


def _entry(name: str, given: Any) -> Entry:
    if not name:
        raise DefinitionError("expected servers by their names, which say where they are served; not one without")
    if name == ".well-known":
        raise DefinitionError(f"{name}: that path is what the web itself uses; give the server another name")
    if not isinstance(given, dict):
        raise DefinitionError(f"{name}: expected an object with `command` and `args`")
    command, args = given.get("command"), given.get("args", [])
    words = [*(command if isinstance(command, list) else [command]), *(args if isinstance(args, list) else [args])]
    if not words or not all(isinstance(word, str) for word in words):
        raise DefinitionError(
            f"{name}: expected `command` and `args` as texts; a server elsewhere needs its own process"
        )
    if given.get("env"):
        raise DefinitionError(f"{name}: `env` is for a process of its own; here all servers share one")
    program = os.path.basename(words[0]).removesuffix(".exe")
    rest = words[1:]
    if rest[:2] == ["-m", "dovetail"]:
        program, rest = "dovetail", rest[2:]
    if program != "dovetail" or rest[:1] not in ([each] for each in _OURS):
        raise DefinitionError(
            f"{name}: one process serves `dovetail serve NAME` or `dovetail run FILE`, not {program[:64]!r}"
        )
    return Entry(name, rest, _calls(name, given.get("try", {})))


def _calls(name: str, given: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise DefinitionError(f"{name}: `try` is an object: each tool with its arguments")
    return list(given.items())
