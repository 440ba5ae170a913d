"""Commits, trees and tags as bytes -> values. Sans-I/O; whatever a stranger wrote into an object becomes a value.

Only what cannot be told apart at all is refused: a commit that names no tree, a tree whose entries do not end.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from dovetail.servers.git.text import moment, readable

_WHO: Final = rb"(?P<who>[^\n]*?) ?<(?P<email>[^>\n]*)>"
_WHEN: Final = rb"(?P<time>-?[0-9]{1,18})(?: (?P<zone>[+-][0-9]{4}))?"
_PERSON: Final = re.compile(_WHO + rb"(?: " + _WHEN + rb")?")
_HEX: Final = re.compile(rb"[0-9a-f]{40}")
# A commit as Git writes them, without more than it must have: nearly all. Any other is read line by line.
_ORDINARY: Final = re.compile(
    rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)author ([^\n]*)\ncommitter ([^\n]*)\n\n", re.DOTALL
)
TREE, LINK, MODULE, EXECUTABLE = 0o040000, 0o120000, 0o160000, 0o100755
KINDS: Final = {TREE: "directory", LINK: "symlink", MODULE: "submodule", EXECUTABLE: "executable"}


class BadObject(ValueError):
    """An object that is none."""


class Person(msgspec.Struct, frozen=True, gc=False):
    """Who did something, and when."""

    name: str = ""
    email: str = ""
    time: int = 0
    zone: int = 0

    @property
    def date(self) -> str:
        """When, as ISO 8601."""
        return moment(self.time, self.zone)


class Commit(msgspec.Struct, frozen=True, gc=False):
    """What a commit says."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str

    @property
    def subject(self) -> str:
        """The first line of its message."""
        return self.message.lstrip("\n").partition("\n")[0]


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry of a tree."""

    name: bytes
    mode: int
    id: str

    @property
    def kind(self) -> str:
        """Of a file: what it is."""
        return KINDS.get(self.mode, "file")


def parse_person(line: bytes, encoding: str = "utf-8") -> Person:
    """Read `Name <email> seconds zone`; what is missing or makes no sense is empty."""
    found = _PERSON.match(line)
    if found is None:
        return Person(readable(line[:256], encoding))
    who, email, time, zone = found.groups()
    return Person(_who(who, encoding), _who(email, encoding), int(time or b"0"), _minutes(zone) if zone else 0)


@lru_cache(4_096)
def _who(name: bytes, encoding: str) -> str:
    return readable(name, encoding)


@lru_cache(4_096)
def _minutes(zone: bytes) -> int:
    number = int(zone)
    minutes = (abs(number) // 100 * 60 + abs(number) % 100) * (-1 if number < 0 else 1)
    return minutes if abs(minutes) < 1440 else 0


def parse_commit(ident: str, raw: bytes) -> Commit:
    """Read a commit.

    Raises:
        BadObject: It names no tree.
    """
    found = _ORDINARY.match(raw)
    if found is None:
        return _parse_lines(ident, raw)
    tree, parents, author, committer = found.groups()
    by = parse_person(author)
    return Commit(
        ident,
        tree.decode(),
        tuple(parents.decode().split()[1::2]),
        by,
        by if committer == author else parse_person(committer),
        readable(raw[found.end() :]),
    )


def _parse_lines(ident: str, raw: bytes) -> Commit:
    head, _, message = raw.partition(b"\n\n")
    tree, parents, author, committer, encoding = "", [], b"", b"", "utf-8"
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"tree" and not tree:
            tree = _id(value)
        elif key == b"parent":
            parents.append(_id(value))
        elif key == b"author" and not author:
            author = value
        elif key == b"committer" and not committer:
            committer = value
        elif key == b"encoding":
            encoding = value[:32].decode("ascii", "replace")
    if not tree:
        raise BadObject("a commit of the repository is damaged: it names no tree")
    return Commit(
        ident,
        tree,
        tuple(parents),
        parse_person(author, encoding),
        parse_person(committer, encoding),
        readable(message, encoding),
    )


def _id(value: bytes) -> str:
    if _HEX.fullmatch(value) is None:
        raise BadObject("a commit of the repository is damaged: an id in it is none")
    return value.decode()


def parse_tree(raw: bytes) -> list[Entry]:
    """Read a tree's entries, in their order.

    Raises:
        BadObject: An entry that does not end, or a mode that is no number.
    """
    entries, at, size = [], 0, len(raw)
    while at < size:
        space = raw.find(b" ", at, at + 8)
        end = raw.find(b"\0", space + 1) if space > 0 else -1
        if end < 0 or end + 21 > size:
            raise BadObject("a tree of the repository is damaged")
        try:
            mode = int(raw[at:space], 8)
        except ValueError:
            raise BadObject("a tree of the repository is damaged") from None
        entries.append(Entry(raw[space + 1 : end], mode, raw[end + 1 : end + 21].hex()))
        at = end + 21
    return entries


def parse_tag(raw: bytes) -> tuple[str, Person, str]:
    """Read an annotated tag: the id that it names, who made it, and its message."""
    head, _, message = raw.partition(b"\n\n")
    target, tagger = "", b""
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"object" and not target:
            target = _id(value)
        elif key == b"tagger" and not tagger:
            tagger = value
    return target, parse_person(tagger), readable(message)
