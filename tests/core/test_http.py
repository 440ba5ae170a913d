"""Streamable HTTP as rules: which request is acceptable, which status an outcome has, which ids are ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core.http import (
    Rejected,
    accepts_reply,
    accepts_stream,
    check_post,
    event_id,
    fields_of,
    is_json,
    read_event_id,
    session_is_legal,
    status_of,
)
from dovetail.errors import (
    Busy,
    CapabilityMissing,
    HeaderMismatch,
    InternalError,
    InvalidParams,
    InvalidRequest,
    MalformedJSON,
    MethodNotFound,
    Refusal,
    UnsupportedRevision,
)

BOTH = b"application/json, text/event-stream"


@pytest.mark.req("S-07")
@pytest.mark.parametrize(
    "name",
    [
        b"host", b"origin", b"content-type", b"content-length", b"authorization", b"mcp-protocol-version",
        b"mcp-method", b"mcp-name", b"mcp-param-region", b"mcp-session-id", b"last-event-id",
    ],
)  # fmt: skip
def test_a_header_that_may_stand_once_is_refused_when_it_comes_twice(name: bytes) -> None:
    for second in (b"a", b"b"):
        rejected = fields_of([(name, b"a"), (b"accept", b"*/*"), (name, second)])
        assert isinstance(rejected, Rejected)
        assert rejected.status == (403 if name == b"origin" else 400)


def test_a_header_that_is_a_list_may_come_in_pieces() -> None:
    fields = fields_of([(b"accept", b"application/json"), (b"accept", b"text/event-stream")])
    assert fields == {b"accept": BOTH}


@pytest.mark.req("S-03")
@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=utf-8",
        b'application/json;charset="UTF-8"',
        b"application/json; foo=bar",
        b"application/json; charset=utf-8; v=1",
    ],
)
def test_json_in_utf_8_is_json(value: bytes) -> None:
    for _ in range(2):  # the second time from memory
        assert is_json(value)


@pytest.mark.req("S-03")
@pytest.mark.parametrize(
    "value",
    [
        b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x",
        b"application/jsonx", b"application/json-seq", b"text/json", b"application/json; charset=utf-16",
        b"application/json; v=1; charset=utf-16", b"text/plain; v=application/json",
        b"text/plain; application/json",
        b"application/json, text/plain", b"*/*",
    ],
)  # fmt: skip
def test_what_a_hostile_page_can_send_without_asking_is_not_json(value: bytes) -> None:
    for _ in range(2):
        assert not is_json(value)
        rejected = check_post({b"content-type": value, b"accept": BOTH})
        assert rejected is not None
        assert rejected.status == 415


@pytest.mark.parametrize(
    ("accept", "reply", "stream"),
    [
        (BOTH, True, True),
        (b"text/event-stream,application/json", True, True),
        (b"Application/JSON;q=0.9, Text/Event-Stream;q=0.1", True, True),
        (b"*/*", True, True),
        (b"application/*, text/*", True, True),
        (b"application/json", False, False),
        (b"text/event-stream", False, True),
        (b"application/json, text/event-stream;q=0", False, False),
        (b"application/json, text/event-stream;q=0.000", False, False),
        (b"", False, False),
        (b"text/html", False, False),
    ],
)
def test_accept_must_allow_both_kinds_of_reply_to_a_post_and_a_stream_to_a_get(
    accept: bytes, reply: bool, stream: bool
) -> None:
    for _ in range(2):
        assert accepts_reply(accept) is reply
        assert accepts_stream(accept) is stream
    rejected = check_post({b"content-type": b"application/json", b"accept": accept})
    assert (rejected is None) is reply
    assert rejected is None or rejected.status == 406


@pytest.mark.parametrize("size", [200, 300])
def test_verdicts_on_values_that_never_repeat_stay_right(size: int) -> None:
    for number in range(600):
        padding = b"; q=0.5, text/html" + b" " * (size - number % 100)
        assert accepts_stream(b"text/event-stream%b;v=%d" % (padding, number))
        assert not accepts_stream(b"text/plain%b;v=%d" % (padding, number))


def test_a_compressed_body_is_refused() -> None:
    fields = {b"content-type": b"application/json", b"accept": BOTH}
    assert check_post({**fields, b"content-encoding": b"identity"}) is None
    for coding in (b"gzip", b"br", b"identity, gzip"):
        rejected = check_post({**fields, b"content-encoding": coding})
        assert rejected is not None
        assert rejected.status == 415


@pytest.mark.req("S-08")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MalformedJSON("x"), 400),
        (InvalidRequest("x"), 400),
        (InvalidParams("x"), 400),
        (MethodNotFound("x"), 404),
        (HeaderMismatch("x"), 400),
        (CapabilityMissing("x", {"sampling": {}}), 400),
        (UnsupportedRevision("x", ()), 400),
        (Busy("x"), 429),
        (InternalError("x"), 200),
    ],
)
def test_an_error_has_the_status_that_the_specification_gives_it(error: Refusal, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.req("S-16")
def test_a_session_id_is_of_visible_ascii() -> None:
    assert session_is_legal(bytes(range(0x21, 0x7F)))
    for illegal in (b"", b" a", b"a\x7f", "ä".encode(), b"a\n", b"a" * 129):
        assert not session_is_legal(illegal)


@given(st.text(st.characters(codec="ascii"), max_size=64), st.integers(0, 10**18 - 1))
def test_an_event_id_is_read_as_it_was_written(stream: str, sequence: int) -> None:
    assert read_event_id(event_id(stream, sequence).encode()) == (stream, sequence)


@pytest.mark.parametrize(
    "value", [b"", b"7", b"s:", b"s:-1", b"s:1.0", b"s:" + b"9" * 19, b"\xc3\xa4:1", b"s" * 65 + b":1", "s:٣".encode()]
)
def test_an_event_id_that_is_none_of_ours_is_none(value: bytes) -> None:
    assert read_event_id(value) is None


@given(st.binary(max_size=80))
def test_no_header_value_raises(value: bytes) -> None:
    is_json(value)
    accepts_reply(value)
    accepts_stream(value)
    read_event_id(value)
    session_is_legal(value)
