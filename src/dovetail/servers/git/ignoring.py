"""What a `.gitignore` says that a sparse checkout left out: Git reads it from the index, libgit2 does not.

libgit2's word is final where it ignores a file. Of what it does not ignore, this finds the rest: all `.gitignore` files
above the file are weighed together, those that lie there and those left out, by the rules of gitignore(5). What a file
that was left out takes back (`!name`) from one that lies there stays ignored: too little is offered, never too much.
Runs in a worker.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec
import pygit2
from pygit2.enums import ObjectType

from dovetail.servers.git.marks import entry_in
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.worktree import Absent, look, read

NAME: Final = b".gitignore"
_BOM: Final = b"\xef\xbb\xbf"
_BYTES: Final = 1_048_576
_PARTS: Final = re.compile(
    rb"(?P<deep>(?:^|(?<=/))\*\*/)"  # any number of folders
    rb"|(?P<all>(?:^|(?<=/))\*\*$)"
    rb"|(?P<star>\*+)"
    rb"|(?P<one>\?)"
    rb"|\[(?P<not>[!^]?)(?P<class>\]?(?:\\.|\[:[a-z]+:\]|[^\]\\])*)\]"
    rb"|\\(?P<plain>.)"
    rb"|(?P<other>[^\[\\])",
    re.DOTALL,
)
_CLASSES: Final = {
    b"alpha": b"a-zA-Z",
    b"digit": b"0-9",
    b"alnum": b"a-zA-Z0-9",
    b"upper": b"A-Z",
    b"lower": b"a-z",
    b"space": rb"\s",
    b"xdigit": b"0-9a-fA-F",
    b"punct": rb"!-/:-@\[-`{-~",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"print": rb"\x20-\x7e",
    b"graph": rb"\x21-\x7e",
}
_IN_CLASS: Final = re.compile(rb"\[:([a-z]+):\]|\\(.)|([\[\]&~|^])", re.DOTALL)


class Rule(msgspec.Struct, frozen=True):
    """One line of a `.gitignore`."""

    pattern: re.Pattern[bytes]
    ignores: bool
    folders_only: bool
    by_name: bool


def parse(data: bytes, *, ignore_case: bool = False) -> list[Rule]:
    """Read the lines of a `.gitignore`; one that can match nothing is left out."""
    found = []
    for line in data.removeprefix(_BOM).split(b"\n"):
        text = re.sub(rb"(?<!\\) +$", b"", line.removesuffix(b"\r"))
        if not text or text.startswith(b"#"):
            continue
        ignores = not text.startswith(b"!")
        text = text if ignores else text[1:]
        folders_only = text.endswith(b"/")
        text = text[:-1] if folders_only else text
        by_name = b"/" not in text
        expression = _translated(text.removeprefix(b"/"))
        if expression is not None:
            compiled = re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else re.NOFLAG))
            found.append(Rule(compiled, ignores, folders_only, by_name))
    return found


def _translated(text: bytes) -> bytes | None:
    """Return a regular expression for a pattern; None when it can match nothing."""
    parts, at = [], 0
    while at < len(text):
        found = _PARTS.match(text, at)
        if found is None:  # a bracket, or a backslash, that nothing follows
            return None
        parts.append(_part(found))
        at = found.end()
    try:
        re.compile(b"".join(parts))
    except re.error:  # a range that runs backwards
        return None
    return b"".join(parts) if parts else None


def _part(found: re.Match[bytes]) -> bytes:
    kind = found.lastgroup
    if kind == "class":
        inner = _IN_CLASS.sub(_in_class, found["class"])
        return rb"(?!/)[" + (b"^" if found["not"] else b"") + inner + b"]"
    simple = {"deep": rb"(?:.*/)?", "all": rb".*", "star": rb"[^/]*", "one": rb"[^/]"}
    return simple.get(kind or "") or re.escape(found[kind or 0])


def _in_class(found: re.Match[bytes]) -> bytes:
    name, escaped, odd = found.groups()
    if name is not None:
        return _CLASSES.get(name, b"")
    return re.escape(escaped if escaped is not None else odd)


class Ignored:
    """Tells what is ignored, for a sparse checkout that left `.gitignore` files out."""

    def __init__(self, repository: Repository, index: pygit2.Index, left_out: Iterable[bytes]) -> None:
        """Begin with nothing read.

        Args:
            repository: Whose working tree it is.
            index: What was left out is read of it.
            left_out: The `.gitignore` files that were left out, by their paths.
        """
        self._repository = repository
        self._index = index
        self._left_out = frozenset(left_out)
        config = repository.git.config
        self._ignore_case = "core.ignorecase" in config and config.get_bool("core.ignorecase")
        self._rules: dict[bytes, list[Rule]] = {}
        self._folders: dict[bytes, bool] = {b"": False}

    def __repr__(self) -> str:
        return f"<Ignored by {len(self._left_out)} files left out>"

    def holds(self, path: bytes) -> bool:
        """Tell whether a path is ignored, or a folder above it; a folder's path ends with `/`."""
        path, is_folder = path.rstrip(b"/"), path.endswith(b"/")
        if is_folder:
            return self._folder(path)
        return self._folder(path.rpartition(b"/")[0]) or self._named(path, folder=False)

    def _folder(self, path: bytes) -> bool:
        above: list[bytes] = []
        while path not in self._folders:
            above.append(path)
            path = path.rpartition(b"/")[0]
        ignored = self._folders[path]
        for one in reversed(above):
            ignored = self._folders[one] = ignored or self._named(one, folder=True)
        return ignored

    def _named(self, path: bytes, *, folder: bool) -> bool:
        """Tell what the nearest rule says that names a path; nothing, when none does."""
        above, name = path, path.rpartition(b"/")[2]
        while above:
            above = above.rpartition(b"/")[0]
            below = path[len(above) + 1 :] if above else path
            for rule in reversed(self._of(above)):
                if (folder or not rule.folders_only) and rule.pattern.fullmatch(name if rule.by_name else below):
                    return rule.ignores
        return False

    def _of(self, folder: bytes) -> list[Rule]:
        found = self._rules.get(folder)
        if found is None:
            self._repository.check()
            path = folder + b"/" + NAME if folder else NAME
            found = self._rules[folder] = parse(self._data(path), ignore_case=self._ignore_case)
        return found

    def _data(self, path: bytes) -> bytes:
        if path in self._left_out:
            ident = entry_in(self._index, path).id
            return self._repository.read(ident, ObjectType.BLOB, self._repository.max_file)
        work = self._repository.places.work
        try:
            if work is None or look(work, tuple(path.split(b"/"))).st_size > _BYTES:
                return b""
            return read(work, tuple(path.split(b"/")), _BYTES)
        except (Absent, Refused):
            return b""
