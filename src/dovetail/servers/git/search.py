"""Lines that match, in a revision or in the tracked files of the working tree. Runs in a worker.

A pattern is plain text unless a regular expression is asked for. Python's expressions can take exponential time; here
that costs one worker process, which its own alarm ends (`worker`), and no other call waits for it.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from dovetail.servers.git.arguments import SearchArgs
from dovetail.servers.git.changes import below_path, read_wanted
from dovetail.servers.git.names import quote_name
from dovetail.servers.git.objects import LINK, MODULE
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.text import cut, is_binary, plain
from dovetail.servers.git.types import Match, MatchList
from dovetail.servers.git.worktree import Absent, read

PATTERN: Final = 1_000
_LINE: Final = 500
_OVERHEAD: Final = 100
_ANCHORED: Final = re.compile(r"\\[AZ]|\(\?")


class _Found:
    """What was found so far, and how much may still be said."""

    def __init__(self, repository: Repository, asked: SearchArgs) -> None:
        self.matches: list[Match] = []
        self.files = self.binary = self.large = 0
        self.most = asked.max_count
        self.room = repository.max_output

    @property
    def full(self) -> bool:
        return len(self.matches) >= self.most or self.room < 0


def search(repository: Repository, asked: SearchArgs) -> MatchList:
    """Return the lines that match."""
    pattern = _compiled(asked)
    found = _Found(repository, asked)
    late = False
    for path, data in _files(repository, asked, found):
        if data is not None:
            found.files += 1
            _look(path, data.decode("utf-8", "surrogateescape"), pattern, asked, found)
        late = repository.late
        if found.full or late:
            break
    return MatchList(matches=found.matches[: asked.max_count], files=found.files, note=_note(found, late=late))


def _compiled(asked: SearchArgs) -> re.Pattern[str]:
    if not asked.pattern or len(asked.pattern) > PATTERN:
        raise Refused(f"A pattern has 1 to {PATTERN} characters.")
    flags = re.MULTILINE | (re.IGNORECASE if asked.ignore_case else re.NOFLAG)
    try:
        return re.compile(asked.pattern if asked.regex else re.escape(asked.pattern), flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise Refused(f"The pattern is no regular expression ({error}); regex=false looks for plain text.") from None


def _files(repository: Repository, asked: SearchArgs, found: _Found) -> Iterator[tuple[bytes, bytes | None]]:
    """Go through the texts to look at; None for what is none."""
    wanted = read_wanted(asked.paths)
    for path, get in _candidates(repository, asked.revision):
        if not below_path(path, wanted):
            continue
        try:
            data = get()
        except Absent:
            continue
        except Refused:
            found.large += 1
            data = None
        if data is not None and is_binary(data):
            found.binary += 1
            data = None
        yield path, data


def _candidates(repository: Repository, revision: str) -> Iterator[tuple[bytes, Callable[[], bytes]]]:
    if revision:
        for path, entry in repository.walk(repository.resolve(revision).tree):
            if entry.mode not in (LINK, MODULE):
                yield path, partial(repository.blob, entry.id)
        return
    work = repository.places.work
    if work is None:
        raise Refused("The repository is bare: say in which revision to search.")
    index = repository.git.index
    index.read(False)
    last = b""
    for one in index:
        raw = one.path.encode("utf-8", "surrogateescape")
        if raw != last and int(one.mode) not in (LINK, MODULE):  # what is in conflict stands there up to three times
            last = raw
            yield raw, partial(read, work, tuple(raw.split(b"/")), repository.max_file)


def _look(path: bytes, text: str, pattern: re.Pattern[str], asked: SearchArgs, found: _Found) -> None:
    anchored = asked.regex and _ANCHORED.search(asked.pattern)
    if not anchored and pattern.search(text) is None:
        return
    lines = text.split("\n")
    shown = cut(quote_name(path), 8_192)
    for at, line in enumerate(lines):
        if pattern.search(line) is None or (at == len(lines) - 1 and not line):
            continue
        before = [_line(one) for one in lines[max(0, at - asked.context) : at]]
        after = [_line(one) for one in lines[at + 1 : at + 1 + asked.context]]
        match = Match(path=shown, line=at + 1, text=_line(line), before=before, after=after)
        found.room -= _OVERHEAD + len(shown) + sum(map(len, (match.text, *before, *after)))
        found.matches.append(match)
        if found.full:
            return


def _line(text: str) -> str:
    return cut(plain(text.removesuffix("\r")), _LINE)


def _note(found: _Found, *, late: bool) -> str | None:
    said = []
    if late and not found.full:
        said.append(f"The time was over after {found.files} files; name `paths` to look at fewer.")
    elif found.full:
        said.append(f"Cut at {len(found.matches)} matches; there may be more: name `paths`, or raise max_count.")
    if found.binary:
        said.append(f"{found.binary} binary files were passed over.")
    if found.large:
        said.append(f"{found.large} files were too large to search.")
    return " ".join(said) or None
