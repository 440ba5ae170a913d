"""Fuzz target: a request head, whole or in pieces; only refusals are raised, and another strict parser agrees."""

import contextlib

import httptools

from dovetail.net.http_head import BadRequest, PartialHead, read_head
from dovetail.wire import Limits

LIMITS = Limits()


class Other:
    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))


def fuzz(data: bytes) -> None:
    half = len(data) // 2
    partial = PartialHead(LIMITS)
    with contextlib.suppress(BadRequest):
        if partial.feed(data[:half]) < 0:
            partial.feed(data[half:])
    head_bytes = data.partition(b"\r\n\r\n")[0]
    try:
        head = read_head(head_bytes, LIMITS)
    except BadRequest as refused:
        assert len(refused.message) <= 256
        return
    other = Other()
    try:
        httptools.HttpRequestParser(other).feed_data(head_bytes + b"\r\n\r\n")
    except (httptools.HttpParserInvalidMethodError, httptools.HttpParserUpgrade):
        return
    assert other.headers == head.headers
    assert other.url.partition(b"?")[0] == head.start[2]
