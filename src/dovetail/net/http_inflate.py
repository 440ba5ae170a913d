"""Content codings of answers: gzip and deflate, undone piece by piece, and never further than the reader wants.

A few kilobytes can hold gigabytes: so a bound goes with each piece, and what lies beyond it stays compressed.
"""

import zlib
from typing import Final

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_WINDOW: Final = zlib.MAX_WBITS
_MEMBERS: Final = 1000
_HEAD: Final = 2
"""Bytes that tell whether there is a wrapper."""


class Broken(Exception):
    """What should be compressed is not, or not so."""


class Inflater:
    """Inflates one body.

    Attributes:
        complete: The last member of what was compressed has ended.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._inflate = zlib.decompressobj(window)
        self._members = 1
        self._began = False
        self._head = b""
        self.complete = False

    def __repr__(self) -> str:
        return f"<Inflater{', complete' if self.complete else ''}>"

    def feed(self, data: bytes, most: int) -> bytes:
        """Return what a piece holds, at most so many bytes of it.

        Raises:
            Broken: It is not compressed in the way that was said.
        """
        inflated: list[bytes] = []
        if not self._began:
            data, self._head = self._head + data, b""
            if len(data) < _HEAD:
                self._head = data
                return b""
        while data and most > 0:
            if self.complete:
                # "A recipient SHOULD [...] multiple members" (RFC 1952, section 2.2): they simply follow each other.
                self._members += 1
                if self._window < _WINDOW or self._members > _MEMBERS:
                    raise Broken("something follows what was compressed")
                self._inflate, self.complete = zlib.decompressobj(self._window), False
            piece = self._piece(data, most)
            most -= len(piece)
            inflated.append(piece)
            self.complete = self._inflate.eof
            data = self._inflate.unused_data if self.complete else self._inflate.unconsumed_tail
        return b"".join(inflated)

    def _piece(self, data: bytes, most: int) -> bytes:
        try:
            piece = self._inflate.decompress(data, most)
        except zlib.error as error:
            if self._began or self._window != _WINDOW:
                raise Broken(str(error)) from None
            # "Some non-conformant implementations send the `deflate` compressed data without the zlib wrapper."
            # (RFC 9110, section 8.4.1.2)
            self._window = -_WINDOW
            self._inflate = zlib.decompressobj(self._window)
            return self._piece(data, most)
        self._began = True
        return piece


def inflater_of(coding: str) -> Inflater | None:
    """Return what undoes a `Content-Encoding`; None for one that is not known here, or several."""
    coding = coding.strip().lower()
    if coding in _GZIP:
        return Inflater(16 + _WINDOW)
    return Inflater(_WINDOW) if coding == "deflate" else None
