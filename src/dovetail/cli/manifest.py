"""A manifest of servers that one process serves: what a client's configuration says, where it starts `dovetail`.

    {"mcpServers": {"files": {"command": "dovetail", "args": ["serve", "files", "docs"]},
                    "shop": {"command": "dovetail", "args": ["run", "shop.py"]}}}

So the block that people paste into a client is a manifest, too, in any of its spellings, which the client room reads;
JSON, TOML or YAML. An entry may have `try`: calls that are made once, to show what the server can do. Nothing of an
entry is passed over that a process of its own would have had: what one process cannot do for many is refused.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.cli.loading import load
from dovetail.cli.options import SERVE, Usage
from dovetail.cli.reading import MOST_BYTES, read_bytes, strict_json
from dovetail.cli.serve import ordered
from dovetail.client import environment_key, read_entry, servers_in, switched_off, words_in
from dovetail.errors import DefinitionError, quote
from dovetail.servers import make_server

if TYPE_CHECKING:
    from dovetail.server import Server

_MOST_YAML: Final = 1 << 20
_OURS: Final = ("serve", "run")
_TEXT: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"


class Entry(msgspec.Struct, frozen=True):
    """One server of a manifest.

    Attributes:
        name: What it is called there.
        words: The arguments of `dovetail`, from `serve` or `run` on.
        calls: Calls to try: tool and arguments.
        cwd: The directory that relative paths in `words` mean; None for ours.
        written: `words` without what variables stand for, which may be a secret: as they are shown.
    """

    name: str
    words: list[str]
    calls: list[tuple[str, dict[str, Any]]]
    cwd: str | None = None
    written: tuple[str, ...] = ()

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
            with self._there():
                return make_server(order.name, order.settings)
        if len(self.words) != 2:
            raise Usage("expected run FILE[:object], and no options: those are for all servers")
        if self.cwd is not None and not os.path.samefile(self._folder(), os.getcwd()):
            raise Usage(
                "`cwd` of `dovetail run` is for a process of its own, as FILE may open what it likes in there; write "
                "the whole path of FILE and leave `cwd` out, or start in that directory"
            )
        return load(self.words[1])

    @contextmanager
    def _there(self) -> Iterator[None]:
        """Be where the entry wants to be: a server makes its paths whole while it is made."""
        if self.cwd is None:
            yield
            return
        with chdir(self._folder()):
            yield

    def _folder(self) -> str:
        folder = os.path.expanduser(self.cwd or "")
        if not os.path.isdir(folder) or not os.access(folder, os.X_OK):
            raise Usage("`cwd`: expected a directory that is there, and may be entered")
        return folder

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


class Manifest(msgspec.Struct, frozen=True):
    """What a manifest says, in its order.

    Attributes:
        entries: The servers to serve; at least one.
        off: The names of those that are switched off.
    """

    entries: list[Entry]
    off: list[str]


def read_manifest(path: str) -> Manifest:
    """Read a manifest.

    Raises:
        DefinitionError: It cannot be read, or an entry is none that one process can serve; the text says which.
    """
    whole = _decoded(path)
    found = servers_in(whole)
    given = {str(name): each for name, each in (whole if found is None else found).items()}
    off = [name for name, each in given.items() if isinstance(each, dict) and switched_off(each)]
    entries = [_entry(name, each, whole) for name, each in given.items() if name not in off]
    if not entries:
        raise DefinitionError(f"{Path(path).name} names no server{' that is switched on' if off else ''}")
    return Manifest(entries, off)


def _decoded(path: str) -> dict[str, Any]:
    name = Path(path).name
    decode = _decoders().get(Path(path).suffix.lower())
    if decode is None:
        raise DefinitionError(f"{name}: a manifest is .json, .toml, .yaml or .yml")
    try:
        # YAML takes minutes for what the others read in a second, and no client keeps its own configuration in it.
        found = decode(read_bytes(Path(path), _MOST_YAML if decode is _strict_yaml else MOST_BYTES))
    except OSError as error:
        raise DefinitionError(f"Cannot read {name}: {error.strerror}") from None
    except ImportError:
        raise DefinitionError('YAML needs the "cli" extra: pip install "dovetail-mcp[cli]"') from None
    except DefinitionError as error:
        raise DefinitionError(f"{name} {error}") from None
    except Exception as error:
        raise DefinitionError(f"{name} cannot be read: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(found, dict):
        raise DefinitionError(f"{name}: expected an object of servers")
    return found


def _decoders() -> Mapping[str, Callable[[bytes], Any]]:
    return {".json": strict_json, ".toml": msgspec.toml.decode, ".yaml": _strict_yaml, ".yml": _strict_yaml}


def _strict_yaml(data: bytes) -> Any:
    import yaml  # type: ignore[import-untyped]  # it has no types, and comes with the extra only

    loader = yaml.SafeLoader(data)
    try:
        whole = loader.get_single_node()
        waiting: list[Any] = [whole]
        seen: set[int] = set()
        while waiting:
            node = waiting.pop()
            if not isinstance(node, yaml.CollectionNode) or id(node) in seen:  # an alias leads to the same node again
                continue
            seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                _name(node.value)
            waiting += [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else node.value
        # deep: what contains itself is refused, which nobody could walk through
        return None if whole is None else loader.construct_object(whole, deep=True)
    finally:
        loader.dispose()


def _name(pairs: list[tuple[Any, Any]]) -> None:
    """Make the keys of a mapping texts, as they are in JSON, and refuse two that are one.

    YAML takes the last of two servers with one name, without a word; and `on` and `yes` for the same, a truth.
    """
    keys = [key for key, _ in pairs]
    if any(not isinstance(key.value, str) for key in keys):
        raise ValueError("expected texts as names")
    if len({key.value for key in keys}) < len(keys):
        raise ValueError("duplicate key")
    for key in keys:
        if key.tag != _MERGE:
            key.tag = _TEXT


def _entry(name: str, given: Any, whole: Mapping[str, Any]) -> Entry:
    if not name:
        raise DefinitionError("expected servers by their names, which say where they are served; not one without")
    if name == ".well-known":
        raise DefinitionError(f"{name}: that path is what the web itself uses; give the server another name")
    if not isinstance(given, dict):
        raise DefinitionError(f"{name}: expected an object with `command` and `args`")
    key = environment_key(given)
    if key is not None:
        raise DefinitionError(f"{name}: `{key}` is for a process of its own; here all servers share one")
    try:
        beside = {key: whole[key] for key in ("inputs", "mcp") if key in whole}
        read = read_entry({**beside, "mcpServers": {name: given}}, {})
        if not read.argv:
            raise DefinitionError("a server elsewhere is not served here: expected `command` and `args`")
        words, written = _ours(read.argv), words_in(given)
    except DefinitionError as error:
        raise DefinitionError(f"{name}: {error}") from None
    return Entry(name, words, _calls(name, given.get("try", {})), read.cwd, written[-len(words) :])


def _ours(argv: Sequence[str]) -> list[str]:
    """Return the arguments of `dovetail`, however it is started."""
    program = os.path.basename(argv[0]).removesuffix(".exe")
    rest = list(argv[1:])
    if rest[:2] == ["-m", "dovetail"]:
        program, rest = "dovetail", rest[2:]
    if program != "dovetail" or rest[:1] not in ([each] for each in _OURS):
        raise DefinitionError(f"one process serves `dovetail serve NAME` or `dovetail run FILE`, not {program[:64]!r}")
    return rest


def _calls(name: str, given: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise DefinitionError(f"{name}: `try` is an object: each tool with its arguments")
    return list(given.items())
