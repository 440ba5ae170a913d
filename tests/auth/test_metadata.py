"""Metadata documents are read by their types, bounded, and never echoed."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.auth import LARGEST, ResourceMetadata, ServerMetadata
from dovetail.auth.metadata import read_document, read_object
from dovetail.errors import LoginUntrusted


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"<html>", b"{", b'{"a":1,"a":2}', b"\xef\xbb\xbf{}", b'{"a":1e999}', b"{" * 1000, b'"x"',
     b'{"a":"' + b"x" * LARGEST + b'"}', b'{"a":' + b"[" * 60 + b"]" * 60 + b"}"],
)  # fmt: skip
def test_what_is_no_bounded_object_counts_as_nothing(body: bytes) -> None:
    assert read_object(body) is None


@pytest.mark.parametrize(
    "wrong",
    [{}, {"issuer": 1}, {"issuer": None}, {"issuer": "x"}, {"token_endpoint": "x"},
     {"issuer": "x", "token_endpoint": "y", "scopes_supported": "a b"},
     {"issuer": "x", "token_endpoint": ["y"]}, {"issuer": "x", "token_endpoint": "y", "registration_endpoint": {}}],
)  # fmt: skip
def test_a_member_of_another_type_is_named_and_not_shown(wrong: dict[str, Any]) -> None:
    with pytest.raises(LoginUntrusted) as caught:
        read_document(json.dumps(wrong).encode(), ServerMetadata, "authorization server metadata")
    assert "a b" not in str(caught.value)


def test_unknown_members_and_nulls_are_fine() -> None:
    body = b' {"resource":"r","authorization_servers":["a"],"x":{"y":[1]},"scopes_supported":null}'
    assert read_object(body) == body
    assert read_document(body, ResourceMetadata, "x") == ResourceMetadata(resource="r", authorization_servers=("a",))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda v: st.lists(v, max_size=3), max_leaves=5
)


@given(st.dictionaries(st.sampled_from(ServerMetadata.__struct_fields__), JSON))
def test_any_object_is_read_or_refused(members: dict[str, Any]) -> None:
    body = msgspec.json.encode(members)
    if read_object(body) is None:
        return
    try:
        read_document(body, ServerMetadata, "x")
    except LoginUntrusted:
        return
