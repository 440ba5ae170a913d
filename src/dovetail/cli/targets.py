"""From the words of a command line to a target of a client, and how to reach it.

A manifest is read here, in any spelling that people use: what it starts, a client decides.
"""

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from dovetail.cli.options import Usage
from dovetail.cli.reading import read_bytes, strict_json
from dovetail.client import address_in, meant, servers_in, switched_off
from dovetail.errors import DefinitionError, DovetailError

_FILES: Final = frozenset({".py", ".js", ".mjs", ".cjs"})
_MANIFESTS: Final = frozenset({".json", ".toml"})

Json = dict[str, Any]


def targeted(words: Sequence[str], program: Sequence[str]) -> tuple[Any, list[str]]:
    """Return the target, and the words after it.

    Args:
        words: What stands before `--`.
        program: What stands after it; that is the target then, and all words are the others.

    Raises:
        Usage: There is no such target.
    """
    if program:
        return list(program), list(words)
    if not words:
        raise Usage("which server? A URL, a file, a manifest, or -- and a program")
    return _target(words[0]), list(words[1:])


def _target(word: str) -> Any:
    if word.startswith(("http://", "https://")):
        return word
    if word.startswith("{"):
        return _entry_of(_parsed(word.encode(errors="replace"), "the entry"), "the entry", "")
    path, name = (word, "") if os.path.isfile(word) else _split(word)
    suffix = Path(path).suffix.lower()
    if suffix not in _FILES | _MANIFESTS:
        raise Usage(f"{word!r} is no URL, no .py or .js file and no manifest; a program goes last: -- {word}")
    if not os.path.isfile(path):  # which is a plain no for what can be no path, unlike that of pathlib
        raise Usage(f"there is no file {path!r}")
    if suffix in _MANIFESTS:
        return _entry_of(_read(Path(path)), path, name)
    if not name:
        return path
    if suffix != ".py":
        raise Usage(f"{word!r}: only a Python file has objects")
    return [sys.executable, "-m", "dovetail.cli", "run", word]


def _split(word: str) -> tuple[str, str]:
    path, colon, name = word.rpartition(":")
    return (path, name) if colon and Path(path).suffix.lower() in _FILES | _MANIFESTS else (word, "")


def _read(path: Path) -> Any:
    try:
        data = read_bytes(path)
    except OSError as error:
        raise Usage(f"cannot read {path}: {error.strerror}") from None
    except DefinitionError as error:
        raise Usage(f"{path} {error}") from None
    return _parsed(data, str(path), toml=path.suffix.lower() == ".toml")


def _parsed(data: bytes, what: str, *, toml: bool = False) -> Any:
    try:
        return tomllib.loads(data.decode()) if toml else strict_json(data)
    except DefinitionError as error:
        raise Usage(f"{what} {error}") from None
    except (DovetailError, tomllib.TOMLDecodeError) as error:
        raise Usage(f"{what} is not {'TOML' if toml else 'JSON'}: {error}") from None


def _entry_of(document: Any, what: str, name: str) -> Json:
    """Return one server's entry of a manifest, or the document if it is an entry itself."""
    try:
        servers = servers_in(document)
    except DefinitionError as error:
        raise Usage(f"{what}: {error}") from None
    if servers is None:
        raise Usage(f"{what} is no manifest: it has neither mcpServers nor a command or url")
    names = meant(servers)
    if not name and len(names) == 1:
        name = names[0]
    if name in servers:
        entry = servers[name]
        if not isinstance(entry, dict):
            raise Usage(f"{what}: {name[:64]!r} is no entry: expected an object with `command` or `url`")
        return entry
    there = ", ".join(servers) or "none"
    if not name and all(isinstance(each, dict) and switched_off(each) for each in servers.values()):
        raise Usage(f"{what} names no server that is switched on; choose one all the same with {what}:NAME: {there}")
    if not name:
        raise Usage(f"{what} has several servers: {there}; choose one with {what}:NAME")
    close = get_close_matches(name, servers, 1)
    raise Usage(f"{what} has no server {name!r}; " + (f"did you mean {close[0]}?" if close else f"there are: {there}"))


def url_of(target: Any) -> str | None:
    """Return a target's URL, if it has one."""
    if isinstance(target, str):
        return target if "://" in target else None
    found = address_in(target) if isinstance(target, Mapping) else None
    return None if found is None else str(found)


def pairs(given: Sequence[str]) -> dict[str, str]:
    """Return header fields, from `NAME:VALUE` (or `NAME=VALUE`, as some type it).

    Raises:
        Usage: One is neither.
    """
    found: dict[str, str] = {}
    for each in given:
        colon = each.find(":") if ":" in each else each.find("=")
        name = each[: max(colon, 0)].strip()
        if not name:
            raise Usage(f"--header is NAME:VALUE, not {each[:40]!r}")
        found[name] = each[colon + 1 :].strip()
    return found


def variables(given: Sequence[str], ours: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return variables for a program, from `NAME=VALUE`, or `NAME` for ours.

    Raises:
        Usage: There is no such variable here.
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or (not equals and name not in ours):
            raise Usage(f"--env: there is no variable {name!r} here; NAME=VALUE gives it one")
        found[name] = value if equals else ours[name]
    return found
