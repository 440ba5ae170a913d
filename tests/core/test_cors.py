"""CORS: what a browser is told, and that it is never more than the protocol needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core.cors import is_preflight, preflight_fields, reply_fields

METHOD = b"access-control-request-method"
HEADERS = b"access-control-request-headers"


@pytest.mark.req("S-03")
def test_a_reply_names_the_one_origin_and_depends_on_it() -> None:
    fields = dict(reply_fields(b"https://app.example"))
    assert fields[b"access-control-allow-origin"] == b"https://app.example"
    assert fields[b"vary"] == b"origin"
    assert b"access-control-allow-credentials" not in fields


def test_a_preflight_is_a_question_for_options_that_names_a_method() -> None:
    assert is_preflight("OPTIONS", {METHOD: b"POST"})
    assert not is_preflight("OPTIONS", {})
    assert not is_preflight("POST", {METHOD: b"POST"})


@pytest.mark.req("S-03", "S-07")
@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"mcp-param-a", b"*", b"x", b"cookie"])).map(b",".join))
def test_whatever_is_asked_for_only_names_of_the_protocol_are_allowed(wanted: bytes) -> None:
    allowed = dict(preflight_fields({HEADERS: wanted}))[b"access-control-allow-headers"]
    usual = dict(preflight_fields({}))[b"access-control-allow-headers"].split(b", ")
    more = [name for name in allowed.split(b", ") if name not in usual]
    assert b"*" not in usual and b"authorization" in usual
    assert all(name.startswith(b"mcp-param-") and name.isascii() and b"\r" not in name for name in more)
    assert (b"mcp-param-a" in more) == (b"mcp-param-a" in [name.strip().lower() for name in wanted.split(b",")])
