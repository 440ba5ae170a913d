"""Records of tokens are for one server, and say nothing of themselves."""

import msgspec

from dovetail.auth import Tokens, read_tokens, tokens_key, write_tokens
from tests.auth.play import ISSUER, SERVER

TOKENS = Tokens(
    server=SERVER, issuer=ISSUER, resource=SERVER, token_endpoint=f"{ISSUER}/token", access_token="SECRET-A",
    refresh_token="SECRET-R", secret="SECRET-S", expires_at=100.0, dpop=b"SECRET-D",
)  # fmt: skip


def test_a_record_comes_back_as_it_was_and_for_no_other_server() -> None:
    assert read_tokens(write_tokens(TOKENS), SERVER) == TOKENS
    assert read_tokens(write_tokens(TOKENS), "https://other.example/mcp") is None


def test_what_is_damaged_is_no_record() -> None:
    for value in (None, b"", b"{}", b"[]", write_tokens(TOKENS)[:-2], msgspec.json.encode({"server": SERVER})):
        assert read_tokens(value, SERVER) is None


def test_a_token_counts_as_over_a_little_early() -> None:
    assert TOKENS.fresh(69.9)
    assert not TOKENS.fresh(70.0)
    assert msgspec.structs.replace(TOKENS, expires_at=None).fresh(1e12)


def test_a_token_of_a_short_life_counts_as_over_after_half_of_it() -> None:
    short = msgspec.structs.replace(TOKENS, issued_at=80.0)
    assert short.fresh(89.9)
    assert not short.fresh(90.0)
    assert short.valid(99.9)
    assert not short.valid(100.0)
    assert msgspec.structs.replace(TOKENS, expires_at=None).valid(1e12)


def test_no_secret_is_in_a_repr() -> None:
    keyed = msgspec.structs.replace(TOKENS, server=f"{SERVER}?key=SECRET", resource=f"{SERVER}?key=SECRET")
    assert "SECRET" not in repr(keyed)
    assert "SECRET" not in repr(TOKENS)
    assert "SECRET" not in repr([TOKENS])


def test_profiles_have_records_of_their_own() -> None:
    assert tokens_key(SERVER) != tokens_key(SERVER, "work")
