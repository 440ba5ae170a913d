"""An identity assertion that is not the one that was asked for goes no further."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.auth.assertions import check_assertion, is_meant_for
from dovetail.errors import LoginUntrusted
from tests.auth.play import ISSUER, SERVER, Clock

NOW = Clock().at
CLAIMS: dict[str, Any] = {
    "iss": "https://idp.example", "sub": "u", "aud": ISSUER, "resource": SERVER, "client_id": "c", "jti": "j",
    "iat": NOW, "exp": NOW + 300,
}  # fmt: skip


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(header: object = None, **changes: Any) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return f"{part(header or {'typ': 'oauth-id-jag+jwt', 'alg': 'ES256'})}.{part(claims)}.c2ln"


def checked(assertion: str) -> str:
    return check_assertion(
        assertion, audience=ISSUER, resource=SERVER, client_id="c", now=NOW, issuer="https://idp.example"
    )


@pytest.mark.req("A-51")
def test_the_assertion_that_was_asked_for_passes() -> None:
    assert checked(token()) == "j"
    assert checked(token(aud=[ISSUER], resource=None)) == "j"
    assert checked(token({"typ": "application/oauth-id-jag+jwt", "alg": "RS256"}, resource=[SERVER])) == "j"


@pytest.mark.req("A-51")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"}, {"iss": None}, {"aud": "https://evil.example"}, {"aud": ISSUER + "/"},
        {"aud": [ISSUER, "https://evil.example"]}, {"aud": None}, {"aud": []}, {"client_id": "other"},
        {"client_id": None}, {"resource": "https://evil.example/mcp"}, {"resource": [SERVER, "https://evil.example"]},
        {"jti": ""}, {"jti": None}, {"jti": 7}, {"exp": NOW - 61}, {"exp": None}, {"exp": "soon"}, {"nbf": NOW + 61},
    ],
    ids=str,
)  # fmt: skip
def test_an_assertion_with_any_claim_forged_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LoginUntrusted) as caught:
        checked(token(**changes))
    assert "evil" not in str(caught.value)


@pytest.mark.req("A-51")
@pytest.mark.parametrize(
    "header",
    [{"typ": "JWT", "alg": "ES256"}, {"typ": "at+jwt", "alg": "ES256"}, {"alg": "ES256"}, {"typ": "oauth-id-jag+jwt"},
     {"typ": "oauth-id-jag+jwt", "alg": "none"}, {"typ": "oauth-id-jag+jwt", "alg": "NONE"}, [], "x"],
    ids=str,
)  # fmt: skip
def test_a_token_of_another_type_is_refused(header: object) -> None:
    with pytest.raises(LoginUntrusted):
        checked(token(header or [1]))


@pytest.mark.req("A-52")
@pytest.mark.parametrize(
    ("audience", "meant"),
    [(ISSUER, True), (ISSUER + "/", True), (f"{ISSUER}/token", True), ([ISSUER, "other"], True),
     ("https://evil.example", False),
     (ISSUER + "x", False), ([], False), (7, False), (None, False)],
)  # fmt: skip
def test_an_assertion_is_meant_for_whom_it_names(audience: object, meant: bool) -> None:
    assertion = f"{part({'alg': 'ES256'})}.{part({'aud': audience} if audience is not None else {})}.c2ln"
    assert is_meant_for(assertion, issuer=ISSUER, token_endpoint=f"{ISSUER}/token") is meant
    assert not is_meant_for("opaque", issuer=ISSUER, token_endpoint=f"{ISSUER}/token")


@given(st.text(max_size=60) | st.tuples(st.text("abcABC09-_=", max_size=12)).map(lambda t: f"{t[0]}.{t[0]}.x"))
def test_any_text_is_refused_by_type(text: str) -> None:
    with pytest.raises(LoginUntrusted):
        checked(text)
