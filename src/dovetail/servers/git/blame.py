"""Who wrote which lines, by our own walk through the history: it can stop at any commit and say how far it came.

Lines are followed from the revision back through every parent: what a parent has as well is the parent's. Files are
compared without a repository (`patches`). Runs in a worker.
"""

import heapq
from typing import Final

import pygit2

from dovetail.servers.git.arguments import BlameArgs
from dovetail.servers.git.changes import between
from dovetail.servers.git.names import quote_name
from dovetail.servers.git.objects import LINK, MODULE, TREE, Commit
from dovetail.servers.git.patches import LINES, common_prefix
from dovetail.servers.git.refs import SUBJECT
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.text import cut, is_binary, readable
from dovetail.servers.git.types import Blame, BlamePart

MOST: Final = 2_000
_LONG_LINE: Final = 4_000
_BLOBS: Final = 4

Path = tuple[bytes, ...]
Part = tuple[int, int, int]
"""Lines in a row: the number in the file asked for, the number in the file looked at (both from 0), and how many."""


class _Search:
    """Lines whose author is looked for, by the commit and the path where they are known to be."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.open: dict[tuple[str, Path], list[Part]] = {}
        self.heap: list[tuple[int, int, str, Path]] = []
        self.found: list[tuple[int, int, Commit, Path, bool]] = []
        self._blobs: dict[str, bytes] = {}
        self._count = 0

    def add(self, commit: Commit, path: Path, parts: list[Part]) -> None:
        key = (commit.id, path)
        if key not in self.open:
            self._count += 1
            heapq.heappush(self.heap, (-commit.committer.time, self._count, *key))
        self.open.setdefault(key, []).extend(parts)

    def blob(self, ident: str) -> bytes:
        data = self._blobs.get(ident)
        if data is None:
            data = self.repository.blob(ident)
            while len(self._blobs) >= _BLOBS:
                self._blobs.pop(next(iter(self._blobs)))
            self._blobs[ident] = data
        return data

    def settle(self, parts: list[Part], commit: Commit, path: Path, *, older: bool = False) -> None:
        self.found += [(first, count, commit, path, older) for first, _, count in parts]

    def run(self) -> None:
        while self.heap:
            _, _, ident, path = heapq.heappop(self.heap)
            commit, parts = self.repository.commit(ident), self.open.pop((ident, path))
            if self.repository.late:
                self.settle(parts, commit, path, older=True)
                continue
            self._step(commit, path, parts)

    def _step(self, commit: Commit, path: Path, parts: list[Part]) -> None:
        entry = self.repository.find(commit.tree, path)
        if entry is None:
            raise Refused("A tree of the repository is damaged.")
        older = False
        for ident in commit.parents:
            try:
                parent = self.repository.commit(ident)
            except Refused:
                older = True  # a shallow clone ends here
                continue
            before_path = path
            before = self.repository.find(parent.tree, path)
            if before is None and len(commit.parents) == 1:
                before_path = self._renamed(parent, commit, path)
                before = self.repository.find(parent.tree, before_path) if before_path else None
            if before is None or before.mode in (TREE, MODULE, LINK):
                continue
            if before.id == entry.id:
                self.add(parent, before_path, parts)
                return
            kept, parts, unsure = self._split(before.id, entry.id, parts)
            older = older or unsure
            if kept:
                self.add(parent, before_path, kept)
            if not parts:
                return
        self.settle(parts, commit, path, older=older)

    def _renamed(self, parent: Commit, commit: Commit, path: Path) -> Path:
        wanted = b"/".join(path)
        for change in between(self.repository, parent, commit):
            if change.path == wanted and change.state == "renamed":
                return tuple(change.old_path.split(b"/"))
        return ()

    def _split(self, old: str, new: str, parts: list[Part]) -> tuple[list[Part], list[Part], bool]:
        """Return what the older file has as well, by its numbers; what it has not; whether that is a guess."""
        try:
            hunks = changed_lines(self.blob(old), self.blob(new))
        except Refused:
            hunks = None
        if hunks is None:
            return [], parts, True
        return *split_parts(parts, hunks), False


def changed_lines(old: bytes, new: bytes) -> list[Part] | None:
    """Return where texts differ: (first line in new, lines in new, lines in old); None when they differ too much."""
    start = common_prefix(old, new)
    start = old.rfind(b"\n", 0, start) + 1
    end = common_prefix(old[start:][::-1], new[start:][::-1])
    at = old.find(b"\n", len(old) - end)
    end = 0 if at < 0 else len(old) - at - 1
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    if max(before.count(b"\n"), after.count(b"\n")) > LINES:
        return None
    first = new.count(b"\n", 0, start)
    hunks = []
    for hunk in pygit2.Patch.create_from(before, after, context_lines=0).hunks if before != after else ():
        begin = hunk.new_start - 1 if hunk.new_lines else hunk.new_start
        # With no context lines libgit2 numbers an addition by the line before it, in the old file only.
        hunks.append((first + begin, hunk.new_lines, hunk.old_lines))
    return hunks


def split_parts(parts: list[Part], hunks: list[Part]) -> tuple[list[Part], list[Part]]:
    """Cut lines at what changed: those that were there before, by their numbers then, and those that were not."""
    kept: list[Part] = []
    changed: list[Part] = []
    for target, first, count in parts:
        at, end, shift = first, first + count, 0
        for begin, new, old in hunks:
            if begin >= end:
                break
            if begin > at:
                kept.append((target + at - first, at + shift, min(begin, end) - at))
                at = min(begin, end)
            covered = min(begin + new, end)
            if covered > at:
                changed.append((target + at - first, at, covered - at))
                at = covered
            shift += old - new
        if at < end:
            kept.append((target + at - first, at + shift, end - at))
    return kept, changed


def blame(repository: Repository, asked: BlameArgs) -> Blame:
    """Return who wrote which lines."""
    commit = repository.resolve(asked.revision)
    entry, path = repository.entry(commit, asked.path)
    if entry.mode in (TREE, MODULE, LINK):
        raise Refused(f"That is a {entry.kind}; blame is of files.")
    data = repository.blob(entry.id)
    if is_binary(data):
        raise Refused("That is a binary file; blame is of text.")
    total = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    if asked.start > max(total, 1):
        raise Refused(f"The file has {total} lines; begin within them.")
    wanted = min(asked.end or total, total)
    end = min(wanted, asked.start - 1 + MOST)
    search = _Search(repository)
    if end >= asked.start:
        search.add(commit, path, [(asked.start - 1, asked.start - 1, end - asked.start + 1)])
    search.run()
    lines = data.split(b"\n")
    parts = [
        _part(lines, first, count, by, None if where == path else where, older=older)
        for first, count, by, where, older in _joined(search.found)
    ]
    return Blame(commit=commit.id, parts=parts, total=total, note=_note(parts, end, wanted))


def _note(parts: list[BlamePart], end: int, wanted: int) -> str | None:
    said = []
    if end < wanted:
        said.append(f"Cut after line {end}: at most {MOST} lines at a time; go on with start_line={end + 1}.")
    if any(part.older for part in parts):
        said.append("Where `older` stands, the search stopped early: an older commit may have written the lines.")
    return " ".join(said) or None


def _joined(found: list[tuple[int, int, Commit, Path, bool]]) -> list[tuple[int, int, Commit, Path, bool]]:
    joined: list[tuple[int, int, Commit, Path, bool]] = []
    for part in sorted(found, key=lambda one: one[0]):
        last = joined[-1] if joined else None
        if last is not None and last[2].id == part[2].id and last[3:] == part[3:] and last[0] + last[1] == part[0]:
            joined[-1] = (last[0], last[1] + part[1], *part[2:])
        else:
            joined.append(part)
    return joined


def _part(lines: list[bytes], first: int, count: int, commit: Commit, path: Path | None, *, older: bool) -> BlamePart:
    return BlamePart(
        commit=commit.id,
        author=cut(commit.author.name, 256),
        date=commit.author.date,
        subject=cut(commit.subject, SUBJECT),
        start=first + 1,
        lines=[cut(readable(line.removesuffix(b"\r")), _LONG_LINE) for line in lines[first : first + count]],
        path=None if path is None else quote_name(b"/".join(path)),
        older=older,
    )
