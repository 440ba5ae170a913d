"""What a file of configuration holds, as people's editors and shells write it.

All commands read a manifest through here, so that none takes what another one refuses. A client keeps much else in the
same file (Claude Code its projects and their history): what that says, and how often, is no business of ours. Of what
is about servers nothing is passed over: of two with one name, one would be gone without a word.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dovetail.client import plain_json, servers_in, telling
from dovetail.errors import DefinitionError, LimitExceeded, MalformedJSON, quote

MOST_BYTES: Final = 20 << 20
_MARKS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class _Twinned(dict[str, Any]):
    """An object that says two things under one name; the last one counts."""

    twins: list[str]


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return a file as UTF-8 without a byte order mark.

    Raises:
        OSError: It cannot be read.
        DefinitionError: It is too large, or something else; the text goes on after the file's name.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise DefinitionError(f"has more than {most >> 20} MiB: that is no manifest")
    return utf8(data)


def utf8(data: bytes) -> bytes:
    """Return text as UTF-8 without a byte order mark. PowerShell's `>` writes UTF-16 with one.

    Raises:
        DefinitionError: It is neither; the text goes on after the file's name.
    """
    try:
        encoding = _MARKS.get(data[:2])
        text = data[2:].decode(encoding) if encoding else data.decode("utf-8-sig")
    except UnicodeError:
        text = "\0"
    if "\0" in text:  # which nobody writes; it is every other byte of UTF-16 that lacks its mark
        raise DefinitionError("is neither UTF-8 nor UTF-16 with its mark: save it as UTF-8")
    return text.encode()


def strict_json(data: bytes) -> Any:
    """Return what JSON with comments says.

    Raises:
        MalformedJSON: It is none.
        LimitExceeded: It is deeper than any manifest.
        DefinitionError: It says two things of a server under one name; the text goes on after the file's name.
    """
    try:
        document = json.loads(plain_json(data), object_pairs_hook=_object, parse_constant=_no_constant)
        _check(document)
    except json.JSONDecodeError as error:
        raise MalformedJSON(f"Parse error: {error.msg} at line {error.lineno} column {error.colno}") from None
    except ValueError:  # a constant, or a number of more digits than are read
        raise MalformedJSON("Parse error: a number that JSON has not") from None
    except RecursionError:
        raise LimitExceeded("It nests deeper than allowed", limit="depth") from None
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twinned, seen = _Twinned(found), Counter(name for name, _ in pairs)
    twinned.twins = [name for name, times in seen.items() if times > 1]
    return twinned


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _check(document: Any) -> None:
    try:
        entries = servers_in(document)
    except DefinitionError:
        return  # which is said to whoever asks for the servers, too
    for said, names in telling(document):
        _refuse_twins(said, names)
    for value in _inside(list((entries or {}).values())):
        _refuse_twins(value, value if isinstance(value, Mapping) else ())
        if isinstance(value, str) and not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise MalformedJSON("Parse error: a lone surrogate in what is said of a server")


def _refuse_twins(value: Any, names: Collection[str]) -> None:
    twin = next((name for name in value.twins if name in names), None) if isinstance(value, _Twinned) else None
    if twin is not None:
        raise DefinitionError(f"says {quote(twin, 64)} twice, a duplicate key: rename or remove one")


def _inside(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += each.values() if isinstance(each, Mapping) else each if isinstance(each, list) else ()
