"""Fuzz target: a URL is read alike by all who read it, and what is built on it keeps its origin."""

import contextlib
from urllib.parse import urlsplit

from dovetail.auth.urls import appended, canonical, check_url, covers, inserted, is_loopback, origin, with_query
from dovetail.errors import DefinitionError, DovetailError, LoginUntrusted, ProtocolViolation
from dovetail.net.http_request import check_url as check_request_url
from dovetail.net.sse_channel import _same_origin

SERVER = "https://mcp.example.com/mcp"
SEEDS = [
    b"https://mcp.example.com/mcp?a=b&c=%20#x",
    b"https://user:pass@mcp.example.com:443/..;/mcp",
    b"http://127.0.0.1:8000/mcp|/messages?sessionId=1",
    b"https://[::1]:8443/a|https://[::ffff:127.0.0.1]/|//evil.example/x",
    b"http://localhost.:80/|http://LOCALHOST/|https://mcp.example.com:00443/mcp",
    b"https://mcp.example.com\\@evil.example/|https:///mcp|https:mcp|\thttps://a/",
]


def fuzz(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    endpoint(text)
    first, _, second = text.partition("|")
    with contextlib.suppress(DefinitionError):
        scheme, host = check_request_url(first)
        assert scheme in ("http", "https") and host
        assert not set(" \r\n\t\x00\\") & set(first)
    if covers(first, second):
        assert origin(first) == origin(second)
    if covers(text, SERVER):
        assert origin(text) == origin(SERVER)
    with contextlib.suppress(ProtocolViolation):
        named = _same_origin(SERVER, text)
        assert urlsplit(named).hostname == "mcp.example.com"
        assert (urlsplit(named).scheme, urlsplit(named).port or 443) == ("https", 443)
    with contextlib.suppress(LoginUntrusted):
        assert origin(canonical(text)) == origin(text)
        assert canonical(canonical(text)) == canonical(text)


def endpoint(text: str) -> None:
    """What is taken for an endpoint of a login is a plain URL to everybody, and so is what is built on it."""
    try:
        parts = check_url(text, "endpoint")
    except LoginUntrusted as refusal:
        assert len(str(refusal)) <= 256
        return
    host = parts.hostname or ""
    assert text.isascii() and text.isprintable() and not set(" \"'`$;|<>\\^{}()!*#") & set(text)
    assert parts.scheme == "https" or is_loopback(host)
    with contextlib.suppress(DefinitionError):  # stricter here and there: port 0
        assert check_request_url(text) == (parts.scheme, host)
    for built in (inserted(text, "x"), appended(text, "x"), with_query(text, {"a b": "&c=d#e\r\n"})):
        assert origin(built) == origin(text)
        with contextlib.suppress(DovetailError):
            check_url(built, "endpoint", longest=1_000_000)
            assert "\r" not in built and "#" not in built.removeprefix(text)
