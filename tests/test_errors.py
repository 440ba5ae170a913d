"""The tree of exceptions: whose fault it is, is a type; codes are the protocol's; texts show little of the input."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail import errors
from dovetail.errors import (
    CapabilityMissing,
    Disconnected,
    DovetailError,
    PeerError,
    ProtocolViolation,
    Refusal,
    ResourceNotFound,
    Timeout,
    UnsupportedRevision,
    quote,
)

ALL = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
OURS_ALONE = [Timeout, Disconnected, ProtocolViolation]


def test_everything_that_is_raised_on_purpose_has_one_root() -> None:
    assert all(issubclass(error, DovetailError) for error in ALL)


@pytest.mark.req("W-11")
@pytest.mark.parametrize("local", OURS_ALONE, ids=lambda error: error.__name__)
def test_a_failure_of_ours_is_never_taken_for_the_peers(local: type[DovetailError]) -> None:
    assert not issubclass(local, PeerError | Refusal)
    assert not issubclass(PeerError, local)
    assert not hasattr(local("late"), "code")


@pytest.mark.req("W-10")
def test_of_the_reserved_codes_only_those_that_the_protocol_defines_are_used() -> None:
    codes = {code for error in ALL if isinstance(code := getattr(error, "code", None), int)}
    assert {code for code in codes if -32099 <= code <= -32020} == {-32020, -32021, -32022, -32042}
    assert {code for code in codes if -32019 <= code <= -32000} == set()
    assert codes <= {-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022, -32042}


@pytest.mark.req("W-12")
@given(st.text(max_size=400), st.integers(8, 256))
def test_what_is_quoted_is_short_printable_ascii(text: str, limit: int) -> None:
    shown = quote(text, limit)
    assert len(shown) <= limit
    assert shown.isascii()
    assert shown.isprintable()


@pytest.mark.req("W-12")
def test_what_a_refusal_gives_back_of_the_input_is_bounded() -> None:
    assert len(ResourceNotFound("a://" + "x" * 1_000).data["uri"]) <= 256
    assert len(UnsupportedRevision("x" * 1_000, ()).data["requested"]) <= 256


def test_a_missing_capability_is_named_as_the_protocol_wants_it() -> None:
    assert CapabilityMissing("no", {"sampling": {}}).data == {"requiredCapabilities": {"sampling": {}}}


def test_an_error_of_the_peer_says_its_code() -> None:
    error = PeerError(-32000, "no", {"a": 1})
    assert (error.code, error.data, str(error)) == (-32000, {"a": 1}, "no (-32000)")
