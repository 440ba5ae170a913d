"""The head of an HTTP/1.1 request, read strictly: bytes in, one reading out, or a refusal. No socket, no clock.

The one rule: what two parsers could read differently is refused, never read "first wins" here and "last wins" there
(S-07, RFC 9112 section 11.2). So: exactly one well-formed Host; origin-form targets only; CR LF at the end of every
line; no folded lines, no white space before a colon, no control characters; Content-Length or Transfer-Encoding, never
both and neither twice; `chunked` alone as a coding; and no field twice that has one value. White space around a value
is trimmed (RFC 9110, section 5.5).

Speed. Clients send the same lines with every request, so harmless lines are remembered, bounded, with their reading; a
line that is remembered was checked when it was first seen. Nothing that could be a secret is remembered.
"""

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from dovetail.errors import InvalidRequest, quote
from dovetail.wire import Limits

REQUEST_LINE_LIMIT: Final = 8 * 1024
"""Bytes of a request line: 414. RFC 9112, section 3, recommends support for at least 8,000."""

_REQUEST_LINE: Final = re.compile(rb"([A-Z][A-Z-]{0,19}) (/[!-\"$-~]*) HTTP/1\.([01])")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_BARE_LINE_END: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)(?=.)|\x00", re.DOTALL)

_SINGLE: Final = frozenset(
    b"host content-length transfer-encoding content-type content-encoding content-range content-location authorization "
    b"proxy-authorization origin referer user-agent date from max-forwards range if-range if-modified-since "
    b"if-unmodified-since expect last-event-id traceparent dpop access-control-request-method".split()
)
"""Fields with one value. Any other may repeat by RFC 9110, section 5.3; what else starts with `mcp-` may not."""

_REMEMBERED: Final = frozenset(
    b"host accept accept-encoding accept-language connection content-type content-length user-agent origin "
    b"cache-control mcp-protocol-version mcp-method mcp-name sec-fetch-mode sec-fetch-site sec-fetch-dest".split()
)
_MEMORY: Final = 1024
_MEMORABLE: Final = 160

_names: dict[bytes, bytes] = {}
_hosts: set[bytes] = set()
_lines: dict[bytes, tuple[bytes, bytes]] = {}
_starts: dict[bytes, tuple[str, str, bytes, bytes, bool]] = {}


class BadRequest(InvalidRequest):
    """An HTTP request that is refused before an application sees it.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Head(msgspec.Struct, frozen=True, gc=False):
    """A request head as it was read.

    Attributes:
        start: Method, path (decoded), raw path, query string, and whether the version is 1.0.
        headers: Fields in the order they came, names in lower case.
        fields: The same by name; of a repeated field the last value.
        length: Bytes of the body; -1 when it is chunked.
        keep_alive: The connection may stay open.
        awaits_continue: The client waits for `100 Continue` before it sends the body.
    """

    start: tuple[str, str, bytes, bytes, bool]
    headers: list[tuple[bytes, bytes]]
    fields: dict[bytes, bytes]
    length: int
    keep_alive: bool
    awaits_continue: bool


def read_head(data: bytes, limits: Limits) -> Head:
    """Read a complete head.

    Args:
        data: Everything before the empty line, without the line ending before that.
        limits: `header_block`, `header_count`, `header_value` and `body` apply.

    Raises:
        BadRequest: 400 what is malformed or ambiguous; 413, 414, 417, 431 what is over a limit or not offered.
    """
    first, *lines = data.split(b"\r\n", limits.header_count + 2)
    start = _starts.get(first) or _read_start(first)
    # The block is every field with its line ending; `data` has the request line's ending but not the last field's.
    if len(lines) > limits.header_count or len(data) - len(first) > limits.header_block:
        raise _too_large(limits)
    headers = [_lines.get(line) or _read_line(line) for line in lines]
    if len(data) > limits.header_value and any(len(value) > limits.header_value for _, value in headers):
        raise BadRequest(431, f"A header value has at most {limits.header_value} bytes")
    fields = dict(headers)
    repeats = len(fields) != len(headers)
    if repeats:
        _check_repeats(headers)
    host = fields.get(b"host")
    if host is None or (host not in _hosts and not _is_host(host)):
        said = "is missing" if host is None else f"{quote(host[:256].decode('latin-1'))} is malformed"
        raise BadRequest(400, f"Host {said}: expected one host name or address, with or without a port")
    old = start[4]
    connection = fields.get(b"connection")
    stays = connection is None or (connection == b"keep-alive" and not repeats) or _stays(headers)
    return Head(
        start,
        headers,
        fields,
        _body_length(fields, old, limits),
        stays and not old,
        b"expect" in fields and _expects(fields[b"expect"], old),
    )


class PartialHead:
    """A head that comes in pieces: refused as soon as it is over a limit or can no longer become a good one."""

    __slots__ = ("_limits", "_line", "_lines", "_scanned", "data")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.data = bytearray()
        self._scanned = 0
        self._line = -1
        self._lines = 0

    def feed(self, data: bytes) -> int:
        """Take bytes; return where the head ends (at the empty line, in `self.data`), or -1 when it goes on.

        Raises:
            BadRequest: 400, 414 or 431.
        """
        # Each byte is looked at once, however small the pieces; the last few again, for what they may be the start of.
        scanned = self._scanned
        self.data += data
        end = self.data.find(b"\r\n\r\n", max(0, scanned - 3))
        if end < 0:
            self._check(max(0, scanned - 1))
            self._scanned = len(self.data)
        return end

    def _check(self, scanned: int) -> None:
        if _BARE_LINE_END.search(self.data, scanned):
            raise BadRequest(400, "A line must end with CR LF")
        if self._line < 0:
            self._line = self.data.find(b"\r\n", scanned)
            if (len(self.data) if self._line < 0 else self._line) > REQUEST_LINE_LIMIT:
                raise BadRequest(414, f"A request line has at most {REQUEST_LINE_LIMIT} bytes")
            if self._line < 0:
                return
            _read_start(bytes(self.data[: self._line]))
            scanned = self._line + 2
        self._lines += self.data.count(b"\r\n", scanned)
        # One byte more than the block: it may be the first of the empty line.
        if self._lines > self._limits.header_count or len(self.data) - self._line - 2 > self._limits.header_block + 1:
            raise _too_large(self._limits)


def _read_start(line: bytes) -> tuple[str, str, bytes, bytes, bool]:
    if len(line) > REQUEST_LINE_LIMIT:
        raise BadRequest(414, f"A request line has at most {REQUEST_LINE_LIMIT} bytes")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise BadRequest(400, "The request line is not one of HTTP/1.1 with a path")
    raw_path, _, query = match[2].partition(b"?")
    path = raw_path.decode("ascii")
    start = (match[1].decode("ascii"), unquote(path) if "%" in path else path, raw_path, query, match[3] == b"0")
    if not query and len(line) <= _MEMORABLE:
        if len(_starts) >= _MEMORY:
            _starts.clear()
        _starts[line] = start
    return start


def _is_host(host: bytes) -> bool:
    if _HOST.fullmatch(host) is None:
        return False
    if len(_hosts) < _MEMORY:
        _hosts.add(host)
    return True


def _read_name(spelling: bytes, colon: bytes) -> bytes:
    if not colon or _TOKEN.fullmatch(spelling) is None:
        raise BadRequest(400, "A header field is not `name: value`")
    name = spelling.lower()
    if len(_names) < _MEMORY and len(spelling) <= _MEMORABLE:
        _names[spelling] = name
    return name


def _read_line(line: bytes) -> tuple[bytes, bytes]:
    spelling, colon, value = line.partition(b":")
    name = (_names.get(spelling) if colon else None) or _read_name(spelling, colon)
    value = value.strip(b" \t")
    if _CONTROL.search(value) is not None:
        raise BadRequest(400, "A header value holds control characters")
    field = (name, value)
    if name in _REMEMBERED and len(line) <= _MEMORABLE:
        if len(_lines) >= _MEMORY:
            _lines.clear()
        _lines[line] = field
    return field


def _too_large(limits: Limits) -> BadRequest:
    return BadRequest(431, f"At most {limits.header_count} header fields in {limits.header_block} bytes")


def _check_repeats(headers: list[tuple[bytes, bytes]]) -> None:
    seen = set()
    for name, _ in headers:
        if name in seen and (name in _SINGLE or name.startswith(b"mcp-")):
            raise BadRequest(403 if name == b"origin" else 400, "A header field that has one value is repeated")
        seen.add(name)


def _body_length(fields: dict[bytes, bytes], old: bool, limits: Limits) -> int:
    length = fields.get(b"content-length")
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "Content-Length and Transfer-Encoding exclude each other")
        if old or coding.lower() != b"chunked":
            raise BadRequest(400, "Transfer-Encoding: expected chunked, alone, with HTTP/1.1")
        return -1
    if length is None:
        return 0
    if not length.isdigit() or len(length) > 19:
        raise BadRequest(400, "Content-Length: expected one decimal number")
    size = int(length)
    if size > limits.body:
        raise BadRequest(413, f"A body has at most {limits.body} bytes")
    return size


def _stays(headers: list[tuple[bytes, bytes]]) -> bool:
    options = b",".join(value for name, value in headers if name == b"connection").lower()
    return b"close" not in [option.strip() for option in options.split(b",")]


def _expects(value: bytes, old: bool) -> bool:
    if value.lower() != b"100-continue":
        raise BadRequest(417, "Expect: only 100-continue is known")
    # "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation."
    # (RFC 9110, section 10.1.1)
    return not old
