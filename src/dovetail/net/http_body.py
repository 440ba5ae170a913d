"""The two framings of a request body, read incrementally: Content-Length and the chunked coding. No socket, no clock.

The chunked coding (RFC 9112, section 7.1) is read strictly. Chunk extensions and trailers are checked for form,
bounded, and dropped. A line ends with CR LF and nothing else. A sender that spends more on framing than on content
(one-byte chunks) is refused: it costs the reader more than it says.
"""

import re
from typing import Final

from dovetail.net.http_head import BadRequest

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_EXTENSION: Final = rb";" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|\"[\t !#-\[\]-~]*\"))?"
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:" + _EXTENSION + rb")*")
_TRAILER: Final = re.compile(_TOKEN + rb":[\t -~\x80-\xff]*")
_LINE_LIMIT: Final = 256
_TRAILER_LIMIT: Final = 4096
_FREE_FRAMING: Final = 16 * 1024

_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)


class LengthBody:
    """Takes bytes as they come and gives those that belong to a body of known length. Attributes as `ChunkedBody`."""

    __slots__ = ("_left", "done", "rest")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = not length
        self.rest = b""

    def __repr__(self) -> str:
        return f"<LengthBody, {self._left} bytes to come>"

    def feed(self, data: bytes) -> bytes:
        """Return the content that `data` adds."""
        piece = data[: self._left]
        self._left -= len(piece)
        if not self._left:
            self.done = True
            self.rest = data[len(piece) :]
        return piece


class ChunkedBody:
    """Takes bytes as they come and gives the content in them.

    Attributes:
        done: The body is complete.
        rest: What followed it, once it is complete.
    """

    __slots__ = ("_framing", "_free", "_left", "_pending", "_size", "_state", "_trailers", "done", "rest")

    def __init__(self, free_framing: float = _FREE_FRAMING) -> None:
        """Read one body.

        Args:
            free_framing: Bytes of framing that there may be above those of content.
        """
        self._free = free_framing
        self._pending = b""
        self._state = _SIZE
        self._left = 0
        self._size = 0
        self._framing = 0
        self._trailers = 0
        self.done = False
        self.rest = b""

    def __repr__(self) -> str:
        return f"<ChunkedBody {self._size} bytes{', complete' if self.done else ''}>"

    def feed(self, data: bytes) -> bytes:
        """Return the content that `data` adds.

        Raises:
            BadRequest: The coding is broken, or its framing is out of proportion.
        """
        if self._pending:
            data = self._pending + data
            self._pending = b""
        content: list[bytes] = []
        at = 0
        while not self.done:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                if not piece:
                    break
                content.append(piece)
                at += len(piece)
                self._size += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._state = _DATA_END
                continue
            end = data.find(b"\n", at, at + _LINE_LIMIT)
            if end < 0:
                if len(data) - at >= _LINE_LIMIT:
                    raise BadRequest(400, f"A line of the chunked coding has at most {_LINE_LIMIT} bytes")
                break
            if end == at or data[end - 1] != 13:
                raise BadRequest(400, "A line of the chunked coding must end with CR LF")
            self._line(data[at : end - 1])
            at = end + 1
        if self.done:
            self.rest = data[at:]
        else:
            self._pending = data[at:]
        return content[0] if len(content) == 1 else b"".join(content)

    def _line(self, line: bytes) -> None:
        self._framing += len(line) + 2
        if self._framing > self._size + self._free:
            raise BadRequest(400, "The chunked coding spends more on framing than on content")
        if self._state == _SIZE:
            size = _SIZE_LINE.fullmatch(line)
            if size is None:
                raise BadRequest(400, "A chunk size is not a hexadecimal number")
            self._left = int(size[1], 16)
            self._state = _DATA if self._left else _TRAILERS
        elif self._state == _DATA_END:
            if line:
                raise BadRequest(400, "A chunk is longer than its size")
            self._state = _SIZE
        else:
            self._trailer(line)

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.done = True
            return
        self._trailers += len(line)
        if self._trailers > _TRAILER_LIMIT or _TRAILER.fullmatch(line) is None:
            raise BadRequest(400, "A trailer field is malformed, or there are too many")
