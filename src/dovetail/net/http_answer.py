"""The answer to an HTTP/1.1 request, read strictly: bytes in, head and content out, or `BadAnswer`. No I/O, no clock.

The one rule: where the end of an answer could be read in two ways, it is refused (RFC 9112, sections 6.3 and 11.2), so
that no byte of one answer becomes part of another. So: Content-Length or Transfer-Encoding, never both and neither
twice; `chunked` alone as a coding; CR LF at the end of every line; no white space before a colon, no control
characters. A folded line is unfolded (RFC 9112, section 5.2: a user agent must). What stands behind the end of an
answer is nobody's: `rest` says that it is there, and its connection is of no use any more.

Speed. Servers say the same lines with every answer, so harmless ones are remembered, bounded, with their reading; a
line that is remembered was checked when it was first seen. Nothing that could be a secret is remembered.
"""

import math
import re
from typing import Final, Protocol

import msgspec

from dovetail.net.http_body import ChunkedBody, LengthBody
from dovetail.net.http_head import BadRequest
from dovetail.wire import Limits

_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
_BARE_LINE_END: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)(?=.)|\x00", re.DOTALL)
_START: Final = b"HTTP/1."
_STATUS_LIMIT: Final = 8 * 1024
_INTERIM_LIMIT: Final = 256
"""Answers before the answer (1xx). Some servers send one every few seconds while they are at work."""

_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
_REMEMBERED: Final = frozenset(
    "access-control-allow-origin allow cache-control connection content-encoding content-length content-type date "
    "keep-alive mcp-protocol-version server transfer-encoding vary x-accel-buffering x-content-type-options".split()
)
_MEMORY: Final = 1024
_MEMORABLE: Final = 160

_lines: dict[bytes, tuple[str, str]] = {}
_statuses: dict[bytes, tuple[int, bool]] = {}


class BadAnswer(Exception):
    """What came is no answer of HTTP/1.1, or could be read in two ways. Its text repeats nothing of it."""


class AnswerHead(msgspec.Struct, frozen=True, gc=False):
    """The head of an answer.

    Attributes:
        status: From 100 to 999.
        headers: Fields by name in lower case; one that stands several times is joined by commas (RFC 9110, 5.2).
        length: Bytes of the body; -1 when it is chunked, None when it ends with the connection.
        kept: The connection may carry another exchange after this one.
    """

    status: int
    headers: dict[str, str]
    length: int | None
    kept: bool


class _Body(Protocol):
    done: bool
    rest: bytes

    def feed(self, data: bytes) -> bytes: ...


class _UntilEnd:
    """The body of an answer that ends with its connection. Attributes as `ChunkedBody`."""

    done = False
    rest = b""

    def feed(self, data: bytes) -> bytes:
        return data


class AnswerReader:
    """Takes what a server says to one request, as it comes, and gives the content of its answer.

    Attributes:
        head: The head of the answer, once it is here; those of interim answers (1xx) are skipped, but for 101.
        done: The answer is complete.
        rest: What followed it, once it is complete.
    """

    __slots__ = ("_body", "_interim", "_limits", "_method", "_pending", "_scanned", "done", "head", "rest")

    def __init__(self, method: str, limits: Limits) -> None:
        """Read the answer to one request.

        Args:
            method: Of the request: that of `HEAD` has no body whatever its head says, nor has a tunnel (`CONNECT`).
            limits: `header_count`, `header_value` and `header_block` bound the head.
        """
        self._method = method
        self._limits = limits
        self._pending: bytearray | None = None
        self._scanned = 0
        self._interim = 0
        self._body: _Body | None = None
        self.head: AnswerHead | None = None
        self.done = False
        self.rest = b""

    def __repr__(self) -> str:
        state = "complete" if self.done else "in its head" if self.head is None else "in its body"
        return f"<AnswerReader, {state}>"

    def feed(self, data: bytes) -> bytes:
        """Return the content that `data` adds.

        Raises:
            BadAnswer: It is no answer, is ambiguous, or its head is over a limit. The reader is of no use any more.
        """
        body = self._body
        while body is None:
            whole = self._whole_head(data)
            if whole is None:
                return b""
            data = whole[1]
            head = read_answer_head(whole[0], self._method, self._limits)
            if 100 <= head.status < 200 and head.status != 101:
                self._interim += 1
                if self._interim > _INTERIM_LIMIT:
                    raise BadAnswer(f"more than {_INTERIM_LIMIT} interim answers")
                continue
            self.head = head
            body = self._body = _body_of(head)
        try:
            content = body.feed(data)
        except BadRequest as error:
            raise BadAnswer(str(error)) from None
        if body.done:
            self.done = True
            self.rest = body.rest
        return content

    def end(self) -> None:
        """Take note that the server has closed the connection in good order.

        Raises:
            BadAnswer: The answer is not complete.
        """
        if self.head is None:
            raise BadAnswer("the server closed the connection without an answer")
        if self.head.length is not None and not self.done:
            raise BadAnswer("the connection broke in the middle of the answer")
        self.done = True

    def _whole_head(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Return the next head and what is behind it, or None when it goes on."""
        pending = self._pending
        if pending is None:
            end = data.find(b"\r\n\r\n")
            if end >= 0:
                return data[:end], data[end + 4 :]
            pending = self._pending = bytearray()
            self._scanned = 0
        # Each byte is looked at once, however small the pieces; the last few again, for what they may be the start of.
        scanned = self._scanned
        pending += data
        end = pending.find(b"\r\n\r\n", max(0, scanned - 3))
        if end >= 0:
            self._pending = None
            return bytes(pending[:end]), bytes(pending[end + 4 :])
        if not _START.startswith(pending[: len(_START)]):
            raise BadAnswer("it does not begin with HTTP/1")
        if _BARE_LINE_END.search(pending, max(0, scanned - 1)):
            raise BadAnswer("a line must end with CR LF")
        if len(pending) > _STATUS_LIMIT + self._limits.header_block:
            raise _too_large(self._limits)
        self._scanned = len(pending)
        return None


def read_answer_head(data: bytes, method: str, limits: Limits) -> AnswerHead:
    """Read a complete head.

    Args:
        data: Everything before the empty line, without the line ending before that.
        method: Of the request.
        limits: `header_block`, `header_count` and `header_value` apply.

    Raises:
        BadAnswer: It is malformed, ambiguous or over a limit.
    """
    if len(data) > _STATUS_LIMIT + limits.header_block:
        raise _too_large(limits)
    first, *lines = data.split(b"\r\n", limits.header_count + 2)
    if len(lines) > limits.header_count or len(data) - len(first) > limits.header_block:
        raise _too_large(limits)
    status, old = _statuses.get(first) or _read_status(first)
    if b"\r\n " in data or b"\r\n\t" in data:
        lines = _FOLD.sub(b" ", data[len(first) + 2 :]).split(b"\r\n")
    pairs = [_lines.get(line) or _read_line(line) for line in lines]
    if len(data) > limits.header_value and any(len(value) > limits.header_value for _, value in pairs):
        raise BadAnswer(f"a header value of more than {limits.header_value} bytes")
    headers = dict(pairs)
    if len(headers) != len(pairs):
        headers = _joined(pairs)
    length = _framed(headers, old)
    connection = headers.get("connection")
    stays = not old and (connection is None or _stays(connection))
    if method == "HEAD" or status < 200 or status in (204, 304) or (method == "CONNECT" and status < 300):
        # A body that is announced where none may be: whether it follows is a matter of opinion, so nothing else may.
        return AnswerHead(status, headers, 0, stays and (method == "HEAD" or not length))
    return AnswerHead(status, headers, length, stays and length is not None)


def _body_of(head: AnswerHead) -> _Body:
    if head.length is None:
        return _UntilEnd()
    # Chunks may be as small as a server likes: a stream that says little has to send a sign of life all the same.
    return LengthBody(head.length) if head.length >= 0 else ChunkedBody(math.inf)


def _read_status(line: bytes) -> tuple[int, bool]:
    match = _STATUS.fullmatch(line)
    if match is None or len(line) > _STATUS_LIMIT:
        raise BadAnswer("its first line is no status line of HTTP/1")
    found = (int(match[2]), match[1] == b"0")
    if len(line) <= _MEMORABLE:
        _room(_statuses)
        _statuses[line] = found
    return found


def _read_line(line: bytes) -> tuple[str, str]:
    raw, colon, value = line.partition(b":")
    if not colon or _TOKEN.fullmatch(raw) is None:
        raise BadAnswer("a header field is not `name: value`")
    value = value.strip(b" \t")
    if _CONTROL.search(value) is not None:
        raise BadAnswer("a header value holds control characters")
    field = (raw.decode("ascii").lower(), value.decode("latin-1"))
    if field[0] in _REMEMBERED and len(line) <= _MEMORABLE:
        _room(_lines)
        _lines[line] = field
    return field


def _room(memory: "dict[bytes, tuple[str, str]] | dict[bytes, tuple[int, bool]]") -> None:
    if len(memory) >= _MEMORY:
        memory.clear()


def _too_large(limits: Limits) -> BadAnswer:
    return BadAnswer(f"more than {limits.header_count} header fields, or {limits.header_block} bytes of them")


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:
        if name in headers and name in _FRAMING:
            raise BadAnswer("a field that frames the answer is repeated")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _framed(headers: dict[str, str], old: bool) -> int | None:
    length = headers.get("content-length")
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if length is not None:
            raise BadAnswer("Content-Length and Transfer-Encoding exclude each other")
        if old or coding.lower() != "chunked":
            raise BadAnswer("Transfer-Encoding is not chunked, alone, with HTTP/1.1")
        return -1
    if length is None:
        return None
    if not (length.isascii() and length.isdigit()) or len(length) > 19:
        raise BadAnswer("Content-Length is not one decimal number")
    return int(length)


def _stays(connection: str) -> bool:
    return "close" not in [option.strip() for option in connection.lower().split(",")]
