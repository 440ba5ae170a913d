"""The rules of `_meta`: keys, reserved prefixes, extension identifiers, trace context. Compared with plain patterns."""

import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dovetail.errors import InvalidName
from dovetail.wire import RequestMeta
from dovetail.wire.meta import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    PROGRESS_TOKEN,
    PROTOCOL_VERSION,
    SUBSCRIPTION_ID,
    TRACE_KEYS,
    check_extension_id,
    check_meta_key,
    is_baggage,
    is_meta_key,
    is_reserved,
    is_traceparent,
    is_tracestate,
)
from tests import pace

LABEL = r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
NAME = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?"
KEY = re.compile(rf"(?:{LABEL}(?:\.{LABEL})*/)?{NAME}")
RESERVED = re.compile(r"[^./]*\.(?:mcp|modelcontextprotocol)(?:\.[^/]*)?/.*", re.DOTALL)

near_keys = st.text(st.sampled_from("aZ09.-_/é \n"), max_size=12) | st.text(max_size=12)
near_reserved = st.lists(st.sampled_from(["mcp", "modelcontextprotocol", "io", "a", ".", "/"]), max_size=7).map("".join)


@given(near_keys)
@example("")
@example("/")
@example("a/")
@example("a.b/c\n")
@example("a-/b")
def test_a_key_is_legal_exactly_where_the_reference_pattern_says_so(key: str) -> None:
    assert is_meta_key(key) == bool(KEY.fullmatch(key))


@given(near_reserved.filter(lambda key: key.count("/") == 1))
def test_a_prefix_is_reserved_exactly_where_its_second_label_is_ours(key: str) -> None:
    assert is_reserved(key) == bool(RESERVED.fullmatch(key))


# The examples of 2026-07-28, Overview, _meta.
@pytest.mark.parametrize(
    "key", ["io.modelcontextprotocol/a", "dev.mcp/a", "org.modelcontextprotocol.api/a", "com.mcp.tools/a"]
)
def test_the_reserved_prefixes_of_the_specification_are_reserved(key: str) -> None:
    assert is_meta_key(key) and is_reserved(key)


@pytest.mark.parametrize(
    "key", ["com.example.mcp/a", "mcp/a", "modelcontextprotocol/a", "com.example/mcp", "com.MCP/a", "a"]
)
def test_other_keys_are_free(key: str) -> None:
    assert is_meta_key(key) and not is_reserved(key)


@pytest.mark.parametrize(
    "key", [PROGRESS_TOKEN, *TRACE_KEYS, PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL]
)
def test_every_key_of_the_protocol_is_legal_and_reserved(key: str) -> None:
    assert is_meta_key(key) and is_reserved(key)
    with pytest.raises(InvalidName, match="MCP reserves"):
        check_meta_key(key)


# The examples of 2025-06-18, Overview, _meta.
@pytest.mark.parametrize("key", ["modelcontextprotocol.io/a", "mcp.dev/a", "api.modelcontextprotocol.org/a"])
def test_what_an_earlier_revision_reserves_is_not_for_others_either(key: str) -> None:
    assert is_meta_key(key) and (key.startswith("api") or not is_reserved(key))
    with pytest.raises(InvalidName, match="MCP reserves"):
        check_meta_key(key)


@pytest.mark.parametrize("key", ["com.example.mcp/a", "mcp/a", "com.example/mcp"])
def test_a_key_that_no_revision_reserves_passes(key: str) -> None:
    check_meta_key(key)


@pytest.mark.parametrize("key", ["a b", "1a/b", "-a/b", "a..b/c", "/c", "a/b/c", "_a", "a_", "a.b-/c", "ä/b"])
def test_an_illegal_key_is_refused_with_its_name(key: str) -> None:
    with pytest.raises(InvalidName, match="_meta key"):
        check_meta_key(key)


def test_a_legal_key_passes() -> None:
    check_meta_key("com.example/trace-id_2")


@pytest.mark.parametrize("identifier", ["io.modelcontextprotocol/ui", "com.example/thing", "a/b"])
def test_an_extension_has_a_prefix_and_a_name(identifier: str) -> None:
    check_extension_id(identifier)


@pytest.mark.parametrize(
    "identifier", ["ui", "", "/ui", "com.example/", "com.example/a/b", "com example/a", "x" * 1000]
)
def test_an_extension_without_a_prefix_is_refused(identifier: str) -> None:
    with pytest.raises(InvalidName, match="extension identifier") as raised:
        check_extension_id(identifier)
    assert len(str(raised.value)) < 400


PARENT = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"


@pytest.mark.parametrize("text", [PARENT, "cc" + PARENT[2:], "01" + PARENT[2:] + "-more", PARENT[:-2] + "ff"])
def test_a_traceparent_of_the_standard_passes(text: str) -> None:
    assert is_traceparent(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PARENT.upper(),
        PARENT + "-more",
        "01" + PARENT[2:] + "more",
        "ff" + PARENT[2:],
        PARENT[:-1],
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
        PARENT.replace("-", "_"),
        PARENT.replace("a", "g"),
        " " + PARENT,
        PARENT + "\n",
    ],
)
def test_a_malformed_traceparent_is_noticed(text: str) -> None:
    assert not is_traceparent(text)


REFERENCE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@given(st.text(st.sampled_from("0af-"), min_size=50, max_size=60) | st.from_regex(REFERENCE_PARENT, fullmatch=True))
def test_a_traceparent_is_legal_exactly_where_the_reference_pattern_says_so(text: str) -> None:
    whole = REFERENCE_PARENT.fullmatch(text[:55])
    longer = len(text) == 55 or (text[:2] != "00" and text[55:56] == "-")
    assert is_traceparent(text) == bool(whole and longer)


@pytest.mark.parametrize(
    "text", ["", "a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a@vendor=x y, b=2 ,,", "0t@v=1", "a=" + "x" * 256]
)
def test_a_tracestate_of_the_standard_passes(text: str) -> None:
    assert is_tracestate(text)


@pytest.mark.parametrize(
    "text",
    [
        *("a", "=1", "a=", "A=1", "a=1,a=2", "a=é", "a=1=2", "a@=1", "@v=1", "a@1=1", "a@b@c=1", "_a=1"),
        *("a=" + "x" * 257, "x" * 257 + "=1", "a" * 242 + "@v=1", "a@" + "v" * 15 + "=1"),
        ",".join(f"k{n}=1" for n in range(33)),
    ],
)
def test_a_malformed_tracestate_is_noticed(text: str) -> None:
    assert not is_tracestate(text)


@pytest.mark.parametrize(
    "text", ["a=1", "userId=alice,serverNode=DF%2028,isProduction=false", "a=1;p;q=2 , b = 3", "a=", "a=b=c"]
)
def test_baggage_of_the_standard_passes(text: str) -> None:
    assert is_baggage(text)


@pytest.mark.parametrize("text", ["", "a", "=1", "a b=1", 'a="1"', "a=1,", "a=é", "a=1;", "a=\\", "a=" + "x" * 8191])
def test_malformed_baggage_is_noticed(text: str) -> None:
    assert not is_baggage(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("check", [is_meta_key, is_reserved, is_traceparent, is_tracestate, is_baggage])
@pytest.mark.parametrize("piece", ["a", "-", ".", "a.", "a/", "a=1,", ";", ",", "=", "@", "0-", "a=1;"])
def test_every_check_is_linear(check: Callable[[str], bool], piece: str) -> None:
    def checking(size: int) -> Callable[[], bool]:
        text = piece * (size // len(piece))
        return lambda: check(text)

    assert pace.growth(checking, 1_000_000) < 3


def test_request_meta_is_written_with_the_keys_it_is_read_by() -> None:
    raw = msgspec.Raw
    meta = RequestMeta(
        progress_token=1,
        protocol_version="v",
        client_info=raw(b'{"name":"n","version":"1"}'),
        client_capabilities=raw(b"{}"),
        log_level="info",
        subscription_id=raw(b'"s"'),
        traceparent=PARENT,
        tracestate="a=1",
        baggage="b=2",
    )
    encoded = msgspec.json.encode(meta)
    keys = {PROGRESS_TOKEN, PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL, SUBSCRIPTION_ID, *TRACE_KEYS}
    assert set(msgspec.json.decode(encoded)) == keys
    again = msgspec.json.decode(encoded, type=RequestMeta)
    assert msgspec.json.encode(again) == encoded
    assert msgspec.json.encode(RequestMeta()) == b"{}"
