"""Fuzz target: no text becomes a header field that opens another, and no server's header field breaks who reads it."""

import contextlib

from dovetail.auth import read_demand
from dovetail.auth.dpop import Proofs
from dovetail.auth.keys import SigningKey
from dovetail.auth.steps import Means
from dovetail.client.http_refusals import retry_after
from dovetail.client.login import StaticToken
from dovetail.errors import AuthRequired, DefinitionError
from dovetail.net.http_request import checked_headers
from dovetail.wire import encode_value

SERVER = "https://mcp.example.com/mcp"
MEANS = Means(lambda count: bytes(range(1, count + 1)), lambda: 0.0)
KEY = SigningKey.fresh(MEANS.random)
SEEDS = [
    b"X-Name: a value",
    b"authorization: Bearer x\r\nhost: evil.example",
    "retry-after: ²³".encode("latin-1"),
    b"dpop-nonce: aBc-_.~",
    b"content-length: 3",
    "x-param: wörter".encode("latin-1"),
]


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    name, _, value = text.partition(":")
    with contextlib.suppress(DefinitionError):
        for known, said in checked_headers({name: value, "x-mirrored": encode_value(text)}).items():
            assert not set("\r\n\x00") & {*known, *said}
            assert known == known.lower() and known and not set(" :") & set(known)
            assert known not in ("host", "content-length", "transfer-encoding", "connection")
    # What a model chose always passes once it is encoded (C-08).
    assert checked_headers({"mcp-param-x": encode_value(text)})
    with contextlib.suppress(AuthRequired):
        token = StaticToken(text, SERVER)
        assert " " not in text and "\r" not in text and "\n" not in text
        assert text not in repr(token) or len(text) < 20
    for said in (text, value, value.strip()):
        seconds = retry_after({"retry-after": said})
        assert seconds is None or 0 <= seconds < 1e9
        read_demand({"www-authenticate": said, "retry-after": said})
        proofs = Proofs(KEY, MEANS)
        if proofs.learn(SERVER, {"dpop-nonce": said}):
            assert proofs.nonce(SERVER) == said
            assert said.isascii() and said.isprintable() and not set(' "\\') & set(said)
