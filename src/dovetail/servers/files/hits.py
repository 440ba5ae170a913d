"""What a searching program says with `--json`, cut into hits. Sans-I/O, bounded: what it says is a stranger's.

No hit is kept here: how many are enough can be told only by whoever has looked which of them are true.
"""

import base64
from typing import Final

import msgspec

LONGEST_LINE: Final = 1 << 20
"""Bytes of one message of the program; the match of a longer one is left out."""


class Hit(msgspec.Struct, frozen=True):
    """A line that is said to fit.

    Attributes:
        path: Below the directory that is searched.
        line: Its bytes, or the beginning of them.
        number: Of the line, from 1.
        offset: Where the line begins in the file.
        at: Where in the line the match begins.
    """

    path: bytes
    line: bytes
    number: int
    offset: int
    at: int


class _Some(msgspec.Struct):
    """Text, or what is no UTF-8 in base64."""

    text: str | None = None
    encoded: str | None = msgspec.field(default=None, name="bytes")

    def value(self) -> bytes:
        """Return the bytes."""
        return self.text.encode() if self.text is not None else base64.b64decode(self.encoded or "", validate=True)


class _Part(msgspec.Struct):
    start: int


class _Data(msgspec.Struct):
    path: _Some
    lines: _Some
    absolute_offset: int
    line_number: int | None = None
    submatches: list[_Part] = []


class _Message(msgspec.Struct):
    data: _Data


_decode = msgspec.json.Decoder(_Message).decode
_MATCH: Final = b'{"type":"match"'


class Splitter:
    """Takes the program's output in pieces, however they are cut."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.any = False
        """There was a hit."""
        self.left_out = False
        """A match was left out, because its line is too long."""
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[Hit]:
        """Take a piece; return the hits that are complete with it."""
        hits: list[Hit] = []
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif line.startswith(_MATCH):
                self.left_out |= len(line) > LONGEST_LINE
                if len(line) <= LONGEST_LINE and (hit := _hit(bytes(line))) is not None:
                    hits.append(hit)
        if len(self._rest) > LONGEST_LINE:
            self.left_out |= not self._skipping and self._rest.startswith(_MATCH)
            self._rest.clear()
            self._skipping = True
        self.any |= bool(hits)
        return hits


def _hit(line: bytes) -> Hit | None:
    try:
        data = _decode(line).data
        path, text = data.path.value(), data.lines.value()
    except (msgspec.DecodeError, ValueError):  # no JSON, no such message, no base64, no UTF-8
        return None
    at = data.submatches[0].start if data.submatches else 0
    return Hit(path, text, data.line_number or 0, data.absolute_offset, at)
