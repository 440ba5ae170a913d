"""Token requests name their resource, go to one place, and carry a proof when the token is to be bound."""

from typing import Any

import pytest

from dovetail.auth import Client, ProofKeys, Reply, Request, ServerMetadata
from dovetail.auth.grants import (
    Asker,
    ask,
    assertion_grant,
    credentials_grant,
    exchange_grant,
    refresh_grant,
)
from dovetail.errors import LoginRefused, LoginUnavailable, LoginUntrusted
from tests.auth.play import ISSUER, SERVER, Web, document, form_of, means
from tests.auth.test_dpop import claims

TOKEN_AT = f"{ISSUER}/token"
METADATA = ServerMetadata(issuer=ISSUER, token_endpoint=TOKEN_AT, token_endpoint_auth_methods_supported=("none",))


def asker(**changes: Any) -> Asker:
    return Asker(**({"server": METADATA, "client": Client(client_id="c"), "means": means()} | changes))


def bound() -> Asker:
    here = means()
    return asker(means=here, proofs=ProofKeys(here).fresh())


GRANTED = document(access_token="t", token_type="Bearer")


@pytest.mark.req("A-24")
@pytest.mark.parametrize(
    "resource", [SERVER, "https://mcp.example.com", "https://mcp.example.com/", "https://a/x?y=%7E"]
)
def test_every_grant_names_its_resource_byte_for_byte(resource: str) -> None:
    for grant in (
        refresh_grant("r", resource),
        credentials_grant(resource, ("a",)),
        assertion_grant("j", resource, None),
        exchange_grant("i", ISSUER, resource, None),
    ):
        web = Web({TOKEN_AT: GRANTED})
        web.play(ask(asker(), grant))
        (request,) = web.requests
        assert form_of(request)["resource"] == resource
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.req("A-51")
def test_an_exchange_asks_for_an_identity_assertion_for_the_issuer() -> None:
    assert exchange_grant("ID", ISSUER, SERVER, ("a",)) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
        "subject_token": "ID",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "audience": ISSUER,
        "resource": SERVER,
        "scope": "a",
    }


@pytest.mark.req("A-27")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_request_is_sent_to_one_place_only(status: int) -> None:
    web = Web({TOKEN_AT: Reply(status, {"location": "https://evil.example/token"})})
    with pytest.raises(LoginUnavailable):
        web.play(ask(asker(), refresh_grant("SECRET", SERVER)))
    assert web.urls == [TOKEN_AT]


def test_a_token_endpoint_that_is_no_plain_url_is_not_asked() -> None:
    web = Web()
    bad = ServerMetadata(issuer=ISSUER, token_endpoint="http://auth.example.com/token")
    with pytest.raises(LoginUntrusted):
        web.play(ask(asker(server=bad), refresh_grant("SECRET", SERVER)))
    assert web.requests == []


def wanting_nonce(*nonces: str) -> Any:
    left = list(nonces)

    def answer(request: Request) -> Reply:
        held = claims(request.headers["dpop"]).get("nonce")
        if left and held != left[0]:
            return Reply(400, {"dpop-nonce": left[0]}, b'{"error":"use_dpop_nonce"}')
        if len(left) > 1:
            left.pop(0)
            return Reply(400, {"dpop-nonce": left[0]}, b'{"error":"use_dpop_nonce"}')
        return document(access_token="t", token_type="DPoP")

    return answer


@pytest.mark.req("A-10")
def test_a_nonce_of_the_authorization_server_is_used_at_once_and_kept() -> None:
    here, web = bound(), Web({TOKEN_AT: wanting_nonce("n1")})
    assert web.play(ask(here, refresh_grant("r", SERVER))).kind == "DPoP"
    assert len(web.requests) == 2
    first, second = (claims(request.headers["dpop"]) for request in web.requests)
    assert first["jti"] != second["jti"]
    assert (second["htm"], second["htu"], second["nonce"]) == ("POST", TOKEN_AT, "n1")
    assert "content_digest" not in second
    web.play(ask(here, refresh_grant("r", SERVER)))
    assert len(web.requests) == 3


@pytest.mark.req("A-10")
def test_a_server_that_wants_one_nonce_after_another_is_asked_twice() -> None:
    web = Web({TOKEN_AT: wanting_nonce("n1", "n2", "n3")})
    with pytest.raises(LoginRefused, match="use_dpop_nonce"):
        web.play(ask(bound(), refresh_grant("r", SERVER)))
    assert len(web.requests) == 2


def test_a_token_that_is_bound_to_a_key_that_was_not_sent_is_refused() -> None:
    with pytest.raises(LoginUntrusted, match="none was sent"):
        Web({TOKEN_AT: document(access_token="t", token_type="DPoP")}).play(ask(asker(), refresh_grant("r", SERVER)))


@pytest.mark.req("A-10")
def test_a_token_that_was_to_be_bound_and_is_not_is_refused() -> None:
    here = means()
    with pytest.raises(LoginUntrusted, match="not bound"):
        Web({TOKEN_AT: GRANTED}).play(
            ask(asker(means=here, proofs=ProofKeys(here).fresh(), must_bind=True), refresh_grant("r", SERVER))
        )
