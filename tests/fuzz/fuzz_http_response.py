"""Fuzz target: what a server answers, whole and split; only refusals are raised, and another parser agrees."""

import httptools

from dovetail.net.http_answer import AnswerReader, BadAnswer
from dovetail.wire import Limits

LIMITS = Limits(header_block=2048, header_count=20, header_value=512)
SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 202\r\nconnection: close\r\n\r\nx",
    b"HTTP/1.0 404 Not Found\r\nserver: a\r\nx: a\r\n b\r\nx: c\r\n\r\nrest",
    b"HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
]

Outcome = tuple[int, dict[str, str], bytes, bool, bool, bytes] | None


def outcome(*parts: bytes) -> Outcome:
    """What is read: None when it is refused, or goes on when it must not."""
    reader = AnswerReader("POST", LIMITS)
    content, rest = b"", b""
    try:
        for part in parts:
            if reader.done:
                rest += part
            else:
                content += reader.feed(part)
                rest += reader.rest
        whole = reader.done
        reader.end()
    except BadAnswer as refused:
        assert len(str(refused)) <= 256
        return None
    head = reader.head
    assert head is not None and reader.done
    assert not (head.kept and head.length is None)
    return head.status, head.headers, content, head.kept, whole, rest


class Other:
    """The same by another parser; of a repeated field all values, joined."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.content = b""
        self.done = False
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        if not self.done:
            self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        known, said = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self.headers[known] = f"{self.headers[known]}, {said}" if known in self.headers else said

    def on_body(self, body: bytes) -> None:
        self.content += body


def agrees(data: bytes, found: Outcome) -> None:
    """Hold what was read against the other parser, where that takes it at all."""
    assert found is not None
    status, headers, content, _, whole, rest = found
    plain = data.startswith(b"HTTP/1.1 %d" % status) and b"\r\n " not in data and b"\r\n\t" not in data
    if not plain or b"upgrade" in data.lower() or b"proxy-connection" in data.lower() or "connection" in headers:
        return  # what the other one joins, switches to, or expects of a connection, is its own
    other = Other()
    try:
        other.parser.feed_data(data[: len(data) - len(rest)] if whole else data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return
    assert other.parser.get_status_code() == status
    assert other.content == content
    if headers.get("transfer-encoding") is None:  # else it takes trailers for fields
        assert other.headers == headers


def fuzz(data: bytes) -> None:
    found = outcome(data)
    half = len(data) // 2
    assert outcome(data[:half], data[half:]) == found
    if len(data) < 200:
        assert outcome(*[data[at : at + 1] for at in range(len(data))]) == found
    if found is not None:
        agrees(data, found)
