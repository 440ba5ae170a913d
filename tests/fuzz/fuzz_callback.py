"""Fuzz target: whatever knocks at the callback of a login, only a request with the login's own state is its answer."""

import asyncio
import atexit
from urllib.parse import parse_qs, urlsplit

from dovetail.client.callback import Callback

STATE = "s3cr3t-state"
SEEDS = [
    b"GET /callback?code=C&state=s3cr3t-state HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n\r\n",
    b"GET /callback?state=s3cr3t-state&state=x HTTP/1.1\r\nhost: localhost:4000\r\n\r\n",
    b"GET /callback?state=%73 HTTP/1.0\r\nHost: 127.0.0.1:4000\r\nHost: evil.example\r\n\r\n",
    b"GET /callback?x=#&state=s3cr3t-state HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n\r\n",
    b"POST http://127.0.0.1:4000/callback?state=s3cr3t-state HTTP/1.1\r\nHost:127.0.0.1:4000\r\n\r\n",
]
LOOP = asyncio.new_event_loop()
atexit.register(LOOP.close)


def fuzz(data: bytes) -> None:
    callback = Callback()
    callback.redirect_uri = "http://127.0.0.1:4000/callback"
    callback._hosts = frozenset({b"127.0.0.1:4000", b"localhost:4000"})
    callback._came = LOOP.create_future()
    assert not callback._take(data)  # no browser has been sent anywhere yet
    callback.expect(f"https://auth.example/authorize?state={STATE}")
    if not callback._take(data):
        assert not callback._came.done()
        return
    answer = callback._came.result()
    assert answer.startswith("http://127.0.0.1:4000/callback?")
    assert parse_qs(urlsplit(answer).query)["state"] == [STATE]
    assert answer.isascii() and answer.isprintable() and " " not in answer
    assert not callback._take(data)  # one answer, once
