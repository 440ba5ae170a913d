"""The browser is sent away with everything that the answer is checked against, and the answer is checked."""

import hmac
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.auth import Authorization, ServerMetadata
from dovetail.auth.keys import digest
from dovetail.errors import LoginRefused, LoginUnavailable, LoginUntrusted
from tests.auth.play import ISSUER, SERVER, Clock, means, query_of

REDIRECT = "http://127.0.0.1:4711/callback"


def metadata(**changes: Any) -> ServerMetadata:
    members: dict[str, Any] = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "code_challenge_methods_supported": ("S256",),
    }
    return ServerMetadata(**(members | changes))


def attempt(server: ServerMetadata | None = None, clock: Clock | None = None) -> Authorization:
    return Authorization(
        server or metadata(),
        client_id="client",
        redirect_uri=REDIRECT,
        resource=SERVER,
        scopes=("a", "b"),
        means=means(clock),
    )


@pytest.mark.req("A-25")
@pytest.mark.parametrize("query", ["state=x", "a=b&redirect_uri=https://evil.example/", "scope="])
def test_an_endpoint_that_speaks_for_us_is_not_visited(query: str) -> None:
    with pytest.raises(LoginUntrusted, match="ours to say"):
        attempt(metadata(authorization_endpoint=f"{ISSUER}/authorize?{query}"))
    kept = attempt(metadata(authorization_endpoint=f"{ISSUER}/authorize?tenant=x"))
    assert query_of(kept.url)["tenant"] == "x"


def answer(authorization: Authorization, base: str = REDIRECT, **changes: str | None) -> str:
    given = {"code": "C", "state": query_of(authorization.url)["state"], **changes}
    return f"{base}?{urlencode({k: v for k, v in given.items() if v is not None})}"


NOW = Clock().at


@pytest.mark.req("A-24")
def test_the_authorization_request_holds_what_the_specification_wants() -> None:
    authorization = attempt()
    asked = query_of(authorization.url)
    assert asked.pop("state")
    assert asked == {
        "response_type": "code",
        "client_id": "client",
        "redirect_uri": REDIRECT,
        "code_challenge": digest(authorization.verifier.encode()),
        "code_challenge_method": "S256",
        "resource": SERVER,
        "scope": "a b",
    }


@pytest.mark.req("A-22")
@pytest.mark.parametrize("methods", [None, (), ("plain",), ("s256",), ("S512", "plain")])
def test_without_s256_there_is_no_login(methods: tuple[str, ...] | None) -> None:
    with pytest.raises(LoginUntrusted, match="PKCE"):
        attempt(metadata(code_challenge_methods_supported=methods))


@pytest.mark.req("A-22")
def test_every_attempt_has_a_verifier_of_its_own_and_the_challenge_is_its_hash() -> None:
    here = means()
    made = [
        Authorization(metadata(), client_id="c", redirect_uri=REDIRECT, resource=SERVER, scopes=None, means=here)
        for _ in range(20)
    ]
    assert len({a.verifier for a in made}) == len({query_of(a.url)["state"] for a in made}) == 20
    assert all(43 <= len(a.verifier) <= 128 for a in made)


@pytest.mark.req("A-28")
def test_an_authorization_endpoint_that_is_no_plain_url_is_not_opened() -> None:
    with pytest.raises(LoginUntrusted):
        attempt(metadata(authorization_endpoint="https://a.example/$(calc.exe)"))
    with pytest.raises(LoginUnavailable):
        attempt(metadata(authorization_endpoint=None))


ISS_TABLE = [
    (True, ISSUER, True),
    (True, None, False),
    (True, "https://evil.example", False),
    (True, ISSUER + "/", False),
    (True, ISSUER.upper(), False),
    (True, ISSUER + ":443", False),
    (True, "https://auth%2Eexample.com", False),
    (True, "", False),
    (False, ISSUER, True),
    (False, None, True),
    (False, "https://evil.example", False),
    (False, ISSUER + "/", False),
    (None, ISSUER, True),
    (None, None, True),
    (None, "https://evil.example", False),
    (None, "", False),
]


@pytest.mark.req("A-23")
@pytest.mark.parametrize(("promised", "iss", "fine"), ISS_TABLE)
def test_the_issuer_of_an_answer_is_compared_by_the_table(promised: bool | None, iss: str | None, fine: bool) -> None:
    authorization = attempt(metadata(authorization_response_iss_parameter_supported=promised))
    callback = answer(authorization, iss=iss)
    if fine:
        assert authorization.code(callback, NOW) == "C"
        return
    with pytest.raises(LoginUntrusted, match="issuer"):
        authorization.code(callback, NOW)


@pytest.mark.req("A-23")
@pytest.mark.parametrize(("promised", "iss", "fine"), ISS_TABLE)
def test_an_error_is_told_only_when_its_issuer_says_it(promised: bool | None, iss: str | None, fine: bool) -> None:
    authorization = attempt(metadata(authorization_response_iss_parameter_supported=promised))
    callback = answer(authorization, iss=iss, code=None, error="access_denied", error_description="EVIL-WORDS")
    with pytest.raises(LoginRefused if fine else LoginUntrusted) as caught:
        authorization.code(callback, NOW)
    assert "EVIL" not in str(caught.value)
    assert ("access_denied" in str(caught.value)) is fine


@pytest.mark.req("A-25")
@pytest.mark.parametrize("state", [None, "", "x", "é", "\ud800"])
def test_an_answer_with_another_state_is_not_ours(state: str | None) -> None:
    authorization = attempt()
    callback = answer(authorization, state=None)
    if state is not None:
        callback += "&state=" + state.encode("utf-8", "replace").decode()
    with pytest.raises(LoginUntrusted, match="state"):
        authorization.code(callback, NOW)


@pytest.mark.req("A-25")
def test_an_answer_is_taken_once() -> None:
    authorization = attempt()
    callback = answer(authorization)
    assert authorization.code(callback, NOW) == "C"
    with pytest.raises(LoginUntrusted, match="before"):
        authorization.code(callback, NOW)


@pytest.mark.req("A-25")
def test_a_wrong_answer_uses_the_attempt_up() -> None:
    authorization = attempt()
    with pytest.raises(LoginUntrusted):
        authorization.code(answer(authorization, state="guess"), NOW)
    with pytest.raises(LoginUntrusted, match="before"):
        authorization.code(answer(authorization), NOW)


@pytest.mark.req("A-25")
def test_an_answer_after_ten_minutes_is_too_late() -> None:
    first, second = attempt(), attempt()
    assert first.code(answer(first), NOW + 600) == "C"
    with pytest.raises(LoginUntrusted, match="late"):
        second.code(answer(second), NOW + 601)


@pytest.mark.req("A-25")
def test_state_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def watched(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return real(left, right)

    monkeypatch.setattr("dovetail.auth.authorization.hmac.compare_digest", watched)
    authorization = attempt()
    authorization.code(answer(authorization), NOW)
    assert len(compared) == 1


@pytest.mark.parametrize(
    "base",
    ["http://127.0.0.1:4711/other", "http://127.0.0.1:4712/callback", "https://evil.example/callback", "",
     "http://127.0.0.1:4711/callback/", "http://localhost:4711/callback"],
)  # fmt: skip
def test_an_answer_that_came_to_somewhere_else_is_not_ours(base: str) -> None:
    authorization = attempt()
    with pytest.raises(LoginUntrusted, match="redirect URI"):
        authorization.code(answer(authorization, base), NOW)


@pytest.mark.parametrize("twice", ["code=D", "state=x", "iss=x", "error=x"])
def test_an_answer_that_says_something_twice_is_not_read(twice: str) -> None:
    authorization = attempt()
    with pytest.raises(LoginUntrusted):
        authorization.code(f"{answer(authorization, iss=ISSUER, error='y')}&{twice}", NOW)


def test_an_answer_without_a_code_is_none() -> None:
    for code in (None, ""):
        authorization = attempt()
        with pytest.raises(LoginUntrusted, match="no code"):
            authorization.code(answer(authorization, code=code), NOW)


@given(st.text(max_size=80) | st.text("&=?%code+state#[]/:", max_size=60).map(lambda t: f"{REDIRECT}?{t}"))
def test_any_callback_is_refused_by_type(callback: str) -> None:
    with pytest.raises(LoginUntrusted):
        attempt().code(callback, NOW)


def test_nothing_secret_is_in_a_repr() -> None:
    authorization = attempt()
    assert authorization.verifier not in repr(authorization)
    assert query_of(authorization.url)["state"] not in repr(authorization)
