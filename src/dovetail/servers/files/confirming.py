"""Which of the lines that a searching program names do stand there, read by ourselves: only those count, and are shown.

What is found is bounded by lines and by bytes, both of what is confirmed: however much a program says that is not so,
what is so is not left out for it.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from dovetail.errors import UnsafePath
from dovetail.servers.files.hits import Hit
from dovetail.servers.files.names import steps_of
from dovetail.servers.files.places import Place
from dovetail.servers.files.reading import read_bytes

_WINDOW: Final = 16 << 10
_SHOWN: Final = 500
_MOST_SHOWN: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"


@dataclass
class Match:
    """A line that fits.

    Attributes:
        path: Of the file, ready to be used in another call.
        line: Its number, from 1.
        text: The line; of a long one, what is around the match.
        before: Lines before it.
        after: Lines after it.
    """

    path: str
    line: int
    text: str
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


class Found:
    """What one search has found so far."""

    def __init__(self, place: Place, most: int, context: int, *, behind_mark: bool) -> None:
        """Nothing is found yet.

        Args:
            place: What is searched.
            most: How many lines are kept.
            context: How many lines are shown before and after each.
            behind_mark: Whether the program counts from behind a byte order mark.
        """
        self._place = place
        self._most = most
        self._context = context
        self._behind_mark = behind_mark
        self._left = _MOST_SHOWN
        self._kept: list[tuple[bytes, int, Match]] = []

    def matches(self) -> list[Match]:
        """Return what was found, in the order of the paths."""
        return [match for _, _, match in sorted(self._kept, key=lambda kept: kept[:2])]

    def add(self, found: Iterable[tuple[Hit, Match]]) -> str:
        """Keep what was confirmed; return why no more is wanted, empty when more is."""
        for hit, match in found:
            if len(self._kept) >= self._most:
                return f"Cut at {self._most} lines: say a narrower pattern, a glob, or a directory below."
            if self._left < 0:
                return f"Cut at {len(self._kept)} lines: say less context, or a narrower pattern."
            self._kept.append((hit.path, hit.offset, match))
            self._left -= sum(map(len, (hit.path, match.text, *match.before, *match.after)))
        return ""

    def confirmed(self, hits: Sequence[Hit]) -> list[tuple[Hit, Match]]:
        """Return those that stand where the program says; to be called in a thread, which changes nothing."""
        found: list[tuple[Hit, Match]] = []
        for path, of_file in groupby(hits, key=lambda hit: hit.path):
            file = self._open(path)
            if file is None:
                continue
            try:
                found += self._standing(file, of_file)
            finally:
                os.close(file)
            if len(found) > self._most:
                break
        return found

    def _standing(self, file: int, hits: Iterable[Hit]) -> Iterator[tuple[Hit, Match]]:
        begin = len(_BOM) if read_bytes(file, 0, len(_BOM)) == _BOM else 0
        for hit in hits:
            offset = hit.offset + (begin if self._behind_mark else 0)
            if read_bytes(file, offset, len(hit.line)) == hit.line:
                yield hit, self._match(hit, file, begin, offset)

    def _named(self, path: bytes) -> Place:
        if path == b"<stdin>":
            return self._place
        return self._place.under(*steps_of(path.decode().removeprefix("./")))

    def _open(self, path: bytes) -> int | None:
        try:
            place = self._named(path)
            return place.root.open(place.steps)[0]
        except (OSError, UnsafePath, UnicodeDecodeError):
            return None

    def _match(self, hit: Hit, file: int, begin: int, offset: int) -> Match:
        before: list[str] = []
        after: list[str] = []
        if self._context:
            start = max(begin, offset - _WINDOW)
            before = _lines(read_bytes(file, start, max(0, offset - start)))[-self._context :]
            rest = _lines(read_bytes(file, offset + len(hit.line), _WINDOW))
            # Of a long line our own searcher says a part: what follows is the rest of it.
            after = (rest if hit.line.endswith(b"\n") else rest[1:])[: self._context]
        line = hit.line if offset else hit.line.removeprefix(_BOM)
        at = hit.at - (len(hit.line) - len(line))
        return Match(self._named(hit.path).shown, hit.number, _shown(line, at), before, after)


def _lines(data: bytes) -> list[str]:
    lines = data.split(b"\n")
    return [_shown(line, 0) for line in (lines if lines[-1] else lines[:-1])]


def _shown(line: bytes, at: int) -> str:
    """Return a line as text; of one that is long, the part around a place."""
    start = 0 if len(line) <= _SHOWN else max(0, at - _SHOWN // 2)
    text = line[start : start + _SHOWN].decode("utf-8", "replace").rstrip("\r\n")
    return ("..." if start else "") + text + ("..." if start + _SHOWN < len(line) else "")
