"""The WWW-Authenticate header is read as it was meant, and never trips its reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.auth import Demand, read_challenges, read_demand

TABLE: list[tuple[str, list[tuple[str, dict[str, str]]]]] = [
    ("", []),
    ("Bearer", [("bearer", {})]),
    ('Bearer realm="x"', [("bearer", {"realm": "x"})]),
    ('Bearer realm="a, b=c", scope="x y"', [("bearer", {"realm": "a, b=c", "scope": "x y"})]),
    ('bEaReR Scope = "x" ,error=invalid_token', [("bearer", {"scope": "x", "error": "invalid_token"})]),
    ('Basic realm="x", Bearer scope="y"', [("basic", {"realm": "x"}), ("bearer", {"scope": "y"})]),
    ('Bearer scope="y", Basic', [("bearer", {"scope": "y"}), ("basic", {})]),
    ("Negotiate YWJj==, Bearer scope=a", [("negotiate", {}), ("bearer", {"scope": "a"})]),
    ("Negotiate YWJj, DPoP algs=ES256", [("negotiate", {}), ("dpop", {"algs": "ES256"})]),
    ('Bearer a="x\\"y\\\\z"', [("bearer", {"a": 'x"y\\z'})]),
    ('Bearer a="1", a="2"', [("bearer", {"a": "1"})]),
    (', , Bearer a="1",, b=2 , ', [("bearer", {"a": "1", "b": "2"})]),
    ('Bearer a="unterminated', [("bearer", {})]),
    ('Bearer a=1, b="\x01"', [("bearer", {"a": "1"})]),
    ("=x", []),
    ("Bearer \xff", [("bearer", {})]),
    ("a=b", []),
]


@pytest.mark.parametrize(("value", "challenges"), TABLE)
def test_challenges_are_told_apart(value: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert [(c.scheme, dict(c.parameters)) for c in read_challenges(value)] == challenges


TOKENS = st.text("abcXYZ09-_.~!#$%&'*+^`|", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@given(st.lists(st.tuples(TOKENS, st.dictionaries(TOKENS.map(str.lower), VALUES, min_size=1, max_size=3)), max_size=4))
def test_what_is_written_is_read_back(challenges: list[tuple[str, dict[str, str]]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = ", ".join(
        scheme + " " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in challenges
    )
    read = [(c.scheme, dict(c.parameters)) for c in read_challenges(text)]
    assert read == [(scheme.lower(), parameters) for scheme, parameters in challenges]


@given(st.text(max_size=200))
def test_any_text_is_read(value: str) -> None:
    read_challenges(value)


def test_a_long_header_costs_little() -> None:
    for hostile in ("Bearer " + "a=" * 100_000, 'Bearer a="' + "\\" * 100_000, "," * 100_000, "a " * 100_000):
        read_challenges(hostile)


def test_a_demand_is_put_together_from_bearer_and_dpop() -> None:
    header = 'Basic scope="no", Bearer scope="a  b", DPoP error="use_dpop_nonce", resource_metadata="https://x/y"'
    assert read_demand({"www-authenticate": header}) == Demand(
        metadata="https://x/y", scopes=("a", "b"), error="use_dpop_nonce", dpop=True
    )
    assert read_demand({}) == Demand()
