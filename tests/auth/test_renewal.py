"""Tokens are given back where they came from, with the proof that their client has."""

from typing import Any

import msgspec
import pytest

from dovetail.auth import Reply, Tokens, revoke
from dovetail.errors import LoginUntrusted
from tests.auth.play import ISSUER, SERVER, Web, form_of, plan

AT = f"{ISSUER}/revoke"
TOKENS = Tokens(
    server=SERVER, issuer=ISSUER, resource=SERVER, token_endpoint=f"{ISSUER}/token", revocation_endpoint=AT,
    access_token="A", refresh_token="R", client_id="c", secret="s",
)  # fmt: skip


def given_back(answer: Reply, **changes: Any) -> tuple[bool, Web]:
    web = Web({AT: answer})
    return web.play(revoke(plan(), msgspec.structs.replace(TOKENS, **changes))), web


def test_the_refresh_token_is_given_back_or_else_the_access_token() -> None:
    heard, web = given_back(Reply(200, {}))
    assert heard
    assert form_of(web.requests[0]) == {"token": "R", "token_type_hint": "refresh_token"}
    assert web.requests[0].headers["authorization"] == "Basic Yzpz"
    _, web = given_back(Reply(200, {}), refresh_token=None, secret=None)
    assert form_of(web.requests[0]) == {"token": "A", "token_type_hint": "access_token", "client_id": "c"}


@pytest.mark.req("A-27")
@pytest.mark.parametrize("status", [301, 307, 400, 401, 500])
def test_whatever_the_server_says_is_not_an_error_and_not_followed(status: int) -> None:
    heard, web = given_back(Reply(status, {"location": "https://evil.example/"}))
    assert not heard
    assert web.urls == [AT]


def test_where_nothing_can_be_given_back_nobody_is_asked() -> None:
    heard, web = given_back(Reply(200, {}), revocation_endpoint=None)
    assert not heard
    assert web.requests == []
    with pytest.raises(LoginUntrusted):
        given_back(Reply(200, {}), revocation_endpoint="http://evil.example/x")
