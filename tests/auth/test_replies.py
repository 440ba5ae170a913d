"""What a token endpoint says is taken for what it is, and its words go nowhere."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.auth import Reply
from dovetail.auth.replies import known_error, read_grant, registered_error
from dovetail.errors import AuthRequired, LoginRefused, LoginUnavailable, LoginUntrusted
from tests.auth.play import document


def test_a_token_response_is_read() -> None:
    granted = read_grant(
        document(access_token="t", token_type="bearer", expires_in=10, refresh_token="r", scope="a b a", x=1)
    )
    assert (granted.token, granted.kind, granted.seconds, granted.refresh_token) == ("t", "Bearer", 10.0, "r")
    assert granted.scopes == ("a", "b")
    assert repr(granted) == "<Granted Bearer>"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(3600, 3600.0), ("3600", 3600.0), (0, 0.0), (-5, 0.0), ("soon", 0.0), ("1" * 12, 0.0), (1e12, 10 * 366 * 86400.0),
     (None, None)],
)  # fmt: skip
def test_a_lifetime_is_bounded_seconds(said: Any, seconds: float | None) -> None:
    assert read_grant(document(access_token="t", token_type="Bearer", expires_in=said)).seconds == seconds


def test_an_empty_refresh_token_is_none() -> None:
    assert read_grant(document(access_token="t", refresh_token="")).refresh_token is None
    with pytest.raises(LoginUntrusted):
        read_grant(document(access_token="", token_type="Bearer"))


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: 1", "ü", "a\x00", "t" * 40_000])
@pytest.mark.parametrize("member", ["access_token", "refresh_token"])
def test_a_token_that_no_header_could_carry_is_refused(member: str, token: str) -> None:
    with pytest.raises(LoginUntrusted) as caught:
        read_grant(document(**({"access_token": "t", "token_type": "Bearer"} | {member: token})))
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize("kind", ["mac", "", "Bearer2", "pop"])
def test_a_token_type_that_is_not_understood_is_refused(kind: str) -> None:
    if kind:
        with pytest.raises(LoginUntrusted):
            read_grant(document(access_token="t", token_type=kind))


@pytest.mark.req("A-27")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_endpoint_that_redirects_is_not_followed(status: int) -> None:
    with pytest.raises(LoginUnavailable, match="redirects"):
        read_grant(Reply(status, {"location": "https://evil.example/token"}))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_fails_is_told_from_one_that_refuses(status: int) -> None:
    with pytest.raises(LoginUnavailable, match=str(status)):
        read_grant(Reply(status, {}, b'{"error":"invalid_grant"}'))


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_a_refusal_is_told_by_its_registered_code_and_no_other_word(status: int) -> None:
    with pytest.raises(LoginRefused) as caught:
        read_grant(document(status, error="invalid_grant", error_description="SECRET-WORDS", error_uri="https://evil"))
    assert caught.value.error == "invalid_grant"
    assert "SECRET" not in str(caught.value)
    assert "evil" not in str(caught.value)


def test_words_of_a_peers_own_are_one_word() -> None:
    assert (
        known_error("SECRET")
        == registered_error(b'{"error":"SECRET"}')
        == registered_error(b"<html>")
        == (registered_error(b'{"error":7}'))
    )


def test_what_is_no_json_is_no_token_response() -> None:
    for body in (b"", b"access_token=t&token_type=bearer", b"[]", b'{"token_type":"Bearer"}', b'{"access_token":7}'):
        with pytest.raises(LoginUntrusted):
            read_grant(Reply(200, {}, body))


@given(
    st.integers(200, 599),
    st.binary(max_size=60) | st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode()),
)
def test_any_answer_is_read_or_refused(status: int, body: bytes) -> None:
    try:
        read_grant(Reply(status, {}, body))
    except AuthRequired:
        return
