"""The log: commits newest first, filtered, page by page. Runs in a worker; every commit is a chance to stop."""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from dovetail.servers.git.arguments import LogArgs
from dovetail.servers.git.dates import parse_date
from dovetail.servers.git.names import read_path
from dovetail.servers.git.objects import Commit
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.text import cut
from dovetail.servers.git.types import CommitInfo, LogPage

MOST: Final = 10_000
_SLOP: Final = 64
"""Commits to look at when all that is left is left out: for clocks that were wrong."""
_PARENTS: Final = 64
MESSAGE: Final = 16_384
"""Characters of one message in a log."""
_OVERHEAD: Final = 140
"""Bytes around a message, in JSON."""


class _Wanted(msgspec.Struct, frozen=True):
    """The filters, read."""

    paths: tuple[tuple[bytes, ...], ...]
    author: str
    text: str
    since: int | None
    until: int | None

    def fits(self, commit: Commit) -> bool:
        """Tell whether a commit is wanted, whatever it changed."""
        time = commit.committer.time
        if (self.since is not None and time < self.since) or (self.until is not None and time > self.until):
            return False
        if self.author and self.author not in f"{commit.author.name} <{commit.author.email}>".lower():
            return False
        return not self.text or self.text in commit.message.lower()


def log(repository: Repository, asked: LogArgs) -> LogPage:
    """Return a page of the log."""
    now = datetime.now(UTC)
    wanted = _Wanted(
        tuple(read_path(path) for path in asked.paths),
        asked.author.lower(),
        asked.text.lower(),
        parse_date(asked.since, now) if asked.since else None,
        parse_date(asked.until, now) if asked.until else None,
    )
    ends, hidden, skip = _where(repository, asked)
    found: list[CommitInfo] = []
    passed, room = 0, repository.max_output
    for commit in _history(repository, ends, hidden, wanted):
        if commit is None:
            note = f"The time was over after {passed} commits that fit; narrow it down, or go on with the cursor."
            return LogPage(commits=found, next=_cursor(ends, hidden, passed), note=note)
        passed += 1
        if passed <= skip:
            continue
        info = commit_info(commit, brief=asked.brief)
        room -= len(info.message) + len(info.author) + len(info.email) + 43 * len(info.parents) + _OVERHEAD
        if len(found) == asked.max_count or (room < 0 and found):
            full = None if room >= 0 else "The page is full before max_count was reached; go on with the cursor."
            return LogPage(commits=found, next=_cursor(ends, hidden, passed - 1), note=full)
        found.append(info)
    return LogPage(commits=found)


def commit_info(commit: Commit, *, brief: bool = False, most: int = MESSAGE) -> CommitInfo:
    """Return what a reader sees of a commit."""
    author = commit.author
    return CommitInfo(
        commit=commit.id,
        author=cut(author.name, 256),
        email=cut(author.email, 256),
        date=author.date,
        message=cut(commit.subject if brief else commit.message, most),
        parents=commit.parents[:_PARENTS] if len(commit.parents) > 1 else (),
    )


def _where(repository: Repository, asked: LogArgs) -> tuple[list[Commit], list[Commit], int]:
    """Return where to begin, what to leave out, and how many to pass over: a cursor pins all of it."""
    if asked.cursor:
        ends, _, rest = asked.cursor.partition("!")
        hidden, _, skip = rest.partition("!")
        try:
            return _pinned(repository, ends), _pinned(repository, hidden), int(skip[:9])
        except ValueError:
            raise Refused("That is no cursor of this tool; call it without one.") from None
    end, start, parsed = repository.resolve_range(asked.revision)
    if start is None:
        return [end], [], 0
    if parsed.symmetric:
        return [end, start], [base] if (base := merge_base(repository, end, start)) else [], 0
    return [end], [start], 0


def _pinned(repository: Repository, ids: str) -> list[Commit]:
    if len(ids) > 256 or any(len(ident) != 40 for ident in ids.split(".") if ident):
        raise ValueError(ids)
    return [repository.commit(ident) for ident in ids.split(".") if ident]


def _cursor(ends: list[Commit], hidden: list[Commit], skip: int) -> str:
    return "!".join((".".join(one.id for one in ends), ".".join(one.id for one in hidden), str(skip)))


def merge_base(repository: Repository, one: Commit, other: Commit) -> Commit | None:
    """Return where two commits parted; None when they have nothing in common."""
    found = repository.git.merge_base(one.id, other.id)
    return None if found is None else repository.commit(str(found))


def _history(
    repository: Repository, ends: list[Commit], hidden: list[Commit], wanted: _Wanted
) -> Iterator[Commit | None]:
    """Go through what fits, newest first; None when the time is over."""
    left_out = _Away(repository, ends, hidden).find() if hidden else set()
    if left_out is None:
        yield None
        return
    heap = [(-end.committer.time, at, end) for at, end in enumerate(ends)]
    seen = {end.id for end in ends}
    heapq.heapify(heap)
    count = len(heap)
    while heap:
        if not count & 63 and repository.late:
            yield None
            return
        commit = heapq.heappop(heap)[2]
        if commit.id in left_out:
            continue
        parents = commit.parents
        changed = True
        if wanted.paths:
            changed, parents = _simplified(repository, commit, wanted.paths)
        if changed and wanted.fits(commit):
            yield commit
        for parent in parents:
            count += 1
            if parent not in seen:
                seen.add(parent)
                if (found := _parent(repository, parent)) is not None:
                    heapq.heappush(heap, (-found.committer.time, count, found))


def _parent(repository: Repository, ident: str) -> Commit | None:
    """Return a parent; None where a shallow clone ends."""
    try:
        return repository.commit(ident)
    except Refused:
        if (repository.places.common / "shallow").exists():
            return None
        raise


class _Away:
    """What a range leaves out: all that can be reached from its start, as far as it matters.

    Both sides are walked by date, and what the start reaches is marked, until nothing unmarked is left, and a little
    further for clocks that were wrong (as Git does).
    """

    def __init__(self, repository: Repository, ends: list[Commit], hidden: list[Commit]) -> None:
        self.ids = {commit.id for commit in hidden}
        self._repository = repository
        self._seen: dict[str, Commit] = {}
        self._open: set[str] = set()
        self._heap: list[tuple[int, int, Commit]] = []
        for commit in (*hidden, *ends):
            self._add(commit)

    def _add(self, commit: Commit) -> None:
        if commit.id not in self._seen:
            self._seen[commit.id] = commit
            heapq.heappush(self._heap, (-commit.committer.time, len(self._seen), commit))
            if commit.id not in self.ids:
                self._open.add(commit.id)

    def _mark(self, ident: str) -> None:
        waiting = [ident]
        while waiting:
            one = waiting.pop()
            if one not in self.ids:
                self.ids.add(one)
                self._open.discard(one)
                if one in self._seen:
                    waiting += self._seen[one].parents

    def find(self) -> set[str] | None:
        """Return their ids; None when the time is over."""
        left = _SLOP
        while self._heap and left:
            if not len(self._seen) & 63 and self._repository.late:
                return None
            commit = heapq.heappop(self._heap)[2]
            self._open.discard(commit.id)
            for ident in commit.parents:
                if commit.id in self.ids:
                    self._mark(ident)
                if ident not in self._seen and (parent := _parent(self._repository, ident)) is not None:
                    self._add(parent)
            left = _SLOP if self._open else left - 1
        return self.ids


def _simplified(
    repository: Repository, commit: Commit, paths: tuple[tuple[bytes, ...], ...]
) -> tuple[bool, tuple[str, ...]]:
    """Tell whether a commit changed paths, and which parents to follow: one that is the same in them, as Git does."""
    here = [repository.find(commit.tree, path) for path in paths]
    if not commit.parents:
        return any(entry is not None for entry in here), ()
    for ident in commit.parents:
        parent = _parent(repository, ident)
        if parent is not None and [repository.find(parent.tree, path) for path in paths] == here:
            return False, (ident,)
    return True, commit.parents
