"""Newline-delimited messages: bytes in, whole lines out. Sans-I/O; shared by stdio, child processes and memory.

The framing of stdio (2026-07-28, Transports, stdio): "Messages are delimited by newlines, and MUST NOT contain embedded
newlines." A carriage return before the newline is dropped and empty lines are skipped, as people's tools write both.

Invariants: what comes out does not depend on how the bytes were cut (every-byte-split test). A line over the limit is
never buffered beyond it: it is counted, skipped to its newline, and reported as one `Oversize` in its place, so that
the stream survives. A line that has not ended stays inside; at the end of the stream it is dropped by its owner.
"""

from typing import Final

import msgspec

_NEWLINE: Final = b"\n"
_RETURN: Final = b"\r"


class Oversize(msgspec.Struct, frozen=True):
    """A line that was longer than `Limits.line` and was skipped; the stream goes on behind it.

    Attributes:
        size: Bytes of the line, without its line ending.
    """

    size: int


class LineSplitter:
    """Cut a stream of bytes into lines. Feed it whatever arrives; it keeps the unfinished rest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._skipped = 0
        self._return = False  # the last skipped byte was a carriage return, which may belong to the line ending

    def __repr__(self) -> str:
        state = f"skipping, {self._skipped} bytes so far" if self._skipped else f"{len(self._rest)} bytes of a line"
        return f"<LineSplitter {state}>"

    @property
    def pending(self) -> int:
        """Bytes held of a line that has not ended."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes | Oversize]:
        """Take the next bytes of the stream; return the lines that they complete, without their line endings."""
        head, *tail = data.split(_NEWLINE)
        if not tail:
            self._keep(head)
            return []
        lines: list[bytes | Oversize] = []
        if self._rest or self._skipped:
            self._keep(head)
            self._end(lines)
        else:
            tail.insert(0, head)
        rest = tail.pop()
        if len(data) > self._limit or _RETURN in data:
            self._each(tail, lines)
        else:
            lines += filter(None, tail)
        if rest:
            self._keep(rest)
        return lines

    def _keep(self, part: bytes) -> None:
        """Add to the unfinished line, or only count when it is too long already."""
        if not self._skipped:
            # One more than the limit, as the last byte may turn out to be half of a line ending.
            if len(self._rest) + len(part) <= self._limit + 1:
                self._rest += part
                return
            self._skipped = len(self._rest)
            self._return = self._rest.endswith(_RETURN)
            self._rest = bytearray()
        self._skipped += len(part)
        if part:
            self._return = part.endswith(_RETURN)

    def _end(self, lines: list[bytes | Oversize]) -> None:
        """The unfinished line has met its newline."""
        if self._skipped:
            lines.append(Oversize(self._skipped - self._return))
        else:
            self._each([bytes(self._rest)], lines)
            self._rest = bytearray()
        self._skipped = 0

    def _each(self, complete: list[bytes], lines: list[bytes | Oversize]) -> None:
        for line in complete:
            stripped = line.removesuffix(_RETURN)
            if len(stripped) > self._limit:
                lines.append(Oversize(len(stripped)))
            elif stripped:
                lines.append(stripped)
