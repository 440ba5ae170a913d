"""Fuzz target: whatever the servers of a login answer, each reader returns or refuses by its type."""

import contextlib

from dovetail.auth import Authorization, Means, Reply, ResourceMetadata, ServerMetadata, check_url
from dovetail.auth.assertions import check_assertion
from dovetail.auth.metadata import read_document, read_object
from dovetail.auth.records import read_tokens
from dovetail.auth.replies import read_grant, registered_error
from dovetail.auth.urls import covers
from dovetail.errors import AuthRequired

SERVER = "https://mcp.example.com/mcp"
ISSUER = "https://auth.example.com"
METADATA = ServerMetadata(
    issuer=ISSUER,
    token_endpoint=f"{ISSUER}/token",
    authorization_endpoint=f"{ISSUER}/authorize",
    code_challenge_methods_supported=("S256",),
)
SEEDS = [
    b'{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://auth.example.com"]}',
    b'{"issuer":"https://auth.example.com","token_endpoint":"https://auth.example.com/token","scopes_supported":["a"]}',
    b'{"access_token":"t","token_type":"Bearer","expires_in":3600,"scope":"a b"}',
    b'{"error":"invalid_grant","error_description":"x"}',
    b"https://127.0.0.1:1/callback?code=C&state=S&iss=https%3A%2F%2Fauth.example.com",
    b"eyJ0eXAiOiJvYXV0aC1pZC1qYWcrand0IiwiYWxnIjoiRVMyNTYifQ.eyJpc3MiOiJ4In0.c2ln",
    b"https://[::1]:8080/a?b=%20c",
]


def fuzz(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    document = read_object(data)
    for kind in (ResourceMetadata, ServerMetadata):
        with contextlib.suppress(AuthRequired):
            if document is not None:
                read_document(document, kind, "metadata")
    for status in (200, 400):
        with contextlib.suppress(AuthRequired):
            read_grant(Reply(status, {}, data))
    assert registered_error(data).isidentifier()
    read_tokens(data, SERVER)
    covers(text, SERVER)
    with contextlib.suppress(AuthRequired):
        check_url(text, "endpoint")
        assert text.startswith(("https://", "http://"))
    with contextlib.suppress(AuthRequired):
        check_assertion(text, audience=ISSUER, resource=SERVER, client_id="c", now=0.0)
    authorization = Authorization(
        METADATA,
        client_id="c",
        redirect_uri="https://127.0.0.1:1/callback",
        resource=SERVER,
        scopes=None,
        means=Means(lambda count: bytes(range(count)), lambda: 0.0),
    )
    with contextlib.suppress(AuthRequired):
        authorization.code(text, 0.0)
        raise AssertionError("an answer with a state that nobody could know was taken")
