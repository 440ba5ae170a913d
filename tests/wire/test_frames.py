"""Frames: what a message is, decided from its bytes; ids that come back as they were; nothing a peer sends raises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import InvalidRequest, LimitExceeded, MalformedJSON, Refusal
from dovetail.wire import Limits
from dovetail.wire.frames import (
    Answer,
    Batch,
    Broken,
    Failure,
    Message,
    Notification,
    Request,
    batch_frame,
    error_frame,
    id_key,
    notification_frame,
    parse,
    request_frame,
    result_frame,
)


def call(identifier: str, method: str = '"ping"', rest: str = "") -> bytes:
    return f'{{"jsonrpc":"2.0","id":{identifier},"method":{method}{rest}}}'.encode()


def refused(message: Message) -> Refusal:
    assert isinstance(message, Broken)
    return message.error


LEGAL_IDS = st.one_of(
    st.integers(min_value=-(10**60), max_value=10**60).map(str),
    st.text(max_size=60).map(json.dumps),
    st.text(st.characters(codec="utf-8"), max_size=60).map(lambda text: json.dumps(text, ensure_ascii=False)),
)


@pytest.mark.req("W-03", "R-27")
@given(LEGAL_IDS.filter(lambda text: len(text.encode()) <= 256 and "\\ud" not in text))
def test_any_legal_id_comes_back_byte_for_byte(identifier: str) -> None:
    for message in (parse(call(identifier)), parse(call(identifier, rest=',"params":{}'))):
        assert isinstance(message, Request)
        assert message.id == identifier.encode()
        assert f'"id":{identifier},'.encode() in result_frame(message.id, b"{}")
        assert f'"id":{identifier},'.encode() in error_frame(message.id, InvalidRequest("no"))


@pytest.mark.req("W-06")
@pytest.mark.parametrize("spelled", ["a", "\u00e9", "\U0001f600"])
@pytest.mark.parametrize("escaped", [True, False])
def test_what_is_limited_of_an_id_is_its_text_however_it_is_spelled(spelled: str, escaped: bool) -> None:
    most = 256 // len(spelled.encode())
    fits, over = (json.dumps(spelled * count, ensure_ascii=escaped) for count in (most, most + 1))
    assert isinstance(parse(call(fits)), Request)
    assert "id: longer than 256 bytes" in str(refused(parse(call(over))))


@pytest.mark.req("W-03", "R-27")
@pytest.mark.parametrize("identifier", ["null", "true", "false", "1.5", "1.0", "1e2", "-0.0", "{}", "[]", '["1"]'])
def test_any_other_id_is_refused_and_not_echoed(identifier: str) -> None:
    for data in (call(identifier), call(identifier, rest=',"params":{}')):
        message = parse(data)
        assert type(refused(message)) is InvalidRequest
        assert isinstance(message, Broken)
        assert message.id is None
        assert b'"id"' not in error_frame(message.id, message.error)


@pytest.mark.req("W-03")
def test_an_id_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    fits = '"' + "a" * 256 + '"'
    assert isinstance(parse(call(fits)), Request)
    assert isinstance(refused(parse(call('"' + "a" * 257 + '"'))), LimitExceeded)
    assert isinstance(refused(parse(call("1" * 257, rest=',"params":{}'))), LimitExceeded)


@pytest.mark.req("W-03")
@pytest.mark.parametrize("letter", ["a", "ä", "€", "😀"])
@pytest.mark.parametrize("rest", ["", ',"params":{}'])
def test_a_method_at_the_limit_passes_and_one_byte_more_does_not(letter: str, rest: str) -> None:
    fits = letter * (256 // len(letter.encode()))
    fits += "a" * (256 - len(fits.encode()))
    message = parse(call("1", method=f'"{fits}"', rest=rest))
    assert isinstance(message, Request)
    assert message.method == fits
    error = refused(parse(call("1", method=f'"{fits}a"', rest=rest)))
    assert isinstance(error, LimitExceeded)
    assert error.limit == "identifier"


@pytest.mark.req("W-04", "R-27")
def test_ids_that_differ_are_told_apart_and_two_spellings_of_one_are_one() -> None:
    assert len({id_key(identifier) for identifier in (b"1", b'"1"', b'"01"', b"10", b'"a"', b'"A"')}) == 6
    assert id_key(rb'"\u0061"') == id_key(b'"a"')
    assert id_key(b"-0") == id_key(b"0")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (call("1"), Request(b"1", "ping", None)),
        (call("1", rest=',"params":{"a": 1}'), Request(b"1", "ping", b'{"a": 1}')),
        (b'{"jsonrpc":"2.0","method":"notifications/x"}', Notification("notifications/x", None)),
        (b'{"method":"n","jsonrpc":"2.0","params":{}}', Notification("n", b"{}")),
        (b'{"jsonrpc":"2.0","id":"a","result":{"x": [1]}}', Answer(b'"a"', b'{"x": [1]}')),
        (b' \r\n{"jsonrpc":"2.0","id":1,"result":{}}\n', Answer(b"1", b"{}")),
    ],
)
def test_a_message_is_read_as_what_it_is(data: bytes, expected: Message) -> None:
    assert parse(data) == expected


def test_an_error_is_read_with_and_without_an_id() -> None:
    for identifier, known in ((b'"id":7,', b"7"), (b"", None)):
        message = parse(b'{"jsonrpc":"2.0",%b"error":{"code":-32000,"message":"no","data":[1]}}' % identifier)
        assert isinstance(message, Failure)
        assert (message.id, message.error.code, message.error.message) == (known, -32000, "no")


@pytest.mark.parametrize(
    "body",
    [
        '{"id":1,"method":"ping"}',
        '{"jsonrpc":"1.0","id":1,"method":"ping"}',
        '{"jsonrpc":2.0,"id":1,"method":"ping"}',
        '{"jsonrpc":"2.0","id":1}',
        '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
        '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}',
        '{"jsonrpc":"2.0","id":1,"method":7}',
        '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
        '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}',
        '{"jsonrpc":"2.0","id":1,"result":7}',
        '{"jsonrpc":"2.0","result":{}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}',
        '"ping"',
        "7",
        "null",
    ],
)
def test_what_is_no_message_is_an_invalid_request(body: str) -> None:
    error = refused(parse(body.encode()))
    assert isinstance(error, InvalidRequest)
    assert error.code == -32600


@pytest.mark.req("W-02")
@pytest.mark.parametrize("alias", ["Method", "METHOD", "method\\u0000", "methoḋ", " method"])
def test_a_key_that_resembles_method_is_no_method(alias: str) -> None:
    data = f'{{"jsonrpc":"2.0","id":1,"method":"tools/list","{alias}":"tools/call","params":{{}}}}'.encode()
    assert parse(data) == Request(b"1", "tools/list", b"{}")


def test_a_refusal_still_answers_the_id_that_could_be_read() -> None:
    message = parse(call('"a"', method="7"))
    assert isinstance(message, Broken)
    assert message.id == b'"a"'


@pytest.mark.parametrize(
    "body",
    [
        *(f'"jsonrpc":"2.0","id":7,"result":{result}' for result in ("null", "[]", '"x"', "5")),
        '"jsonrpc":"2.0","id":7,"error":"no"',
        '"jsonrpc":"2.0","id":7,"error":{"code":"x","message":5}',
        '"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":"x"}',
        '"jsonrpc":"2.0","id":7',
        '"id":7,"result":{"action":"decline"}',
        '"jsonrpc":"2.0","id":7,"result":{"action":"accept","action":"decline"}',
        '"jsonrpc":"2.0","id":7,"result":{"deep":' + "[" * 150 + "]" * 150 + "}",
    ],
)
def test_an_answer_that_cannot_be_read_says_what_it_answers_and_is_not_refused_under_that_id(body: str) -> None:
    message = parse(b"{%b}" % body.encode())
    assert isinstance(message, Broken)
    assert message.answers == b"7"
    assert b'"id"' not in error_frame(message.id, message.error)


def test_a_request_that_cannot_be_served_answers_nothing() -> None:
    for rest in (',"params":[]', ',"result":{}', ',"params":{"a":1,"a":2}'):
        message = parse(call("7", rest=rest))
        assert isinstance(message, Broken)
        assert message.answers is None


@pytest.mark.req("W-05")
def test_a_batch_holds_each_message_for_itself() -> None:
    message = parse(b'[%b, 7, {"jsonrpc":"2.0","method":"n"}, %b]' % (call("1"), call("null")))
    assert isinstance(message, Batch)
    assert [type(item) for item in message.items] == [Request, Broken, Notification, Broken]


@pytest.mark.req("W-05")
def test_a_batch_at_the_limit_passes_and_one_more_or_none_does_not() -> None:
    limits = Limits(batch=2)
    assert isinstance(parse(batch_frame([call("1"), call("2")]), limits), Batch)
    assert isinstance(refused(parse(batch_frame([call("1")] * 3), limits)), LimitExceeded)
    assert isinstance(refused(parse(b"[]")), InvalidRequest)


def test_a_batch_inside_a_batch_is_refused_in_its_place() -> None:
    message = parse(b"[[%b]]" % call("1"))
    assert isinstance(message, Batch)
    assert isinstance(refused(message.items[0]), InvalidRequest)


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    parse(data)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error"]), JSON))
def test_no_object_with_these_members_raises(value: dict[str, Any]) -> None:
    parse(json.dumps(value).encode())


@given(st.text(max_size=30), JSON.map(lambda value: {"v": value}))
def test_what_is_written_is_read_back(method: str, params: dict[str, Any]) -> None:
    raw = json.dumps(params).encode()
    try:
        json.dumps([method, params], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert parse(request_frame(b"1", method, raw)) == Request(b"1", method, raw)
    assert parse(notification_frame(method, raw)) == Notification(method, raw)
    assert parse(request_frame(b"1", method)) == Request(b"1", method, None)
    assert parse(notification_frame(method)) == Notification(method, None)


def test_what_an_error_carries_besides_is_written_with_it() -> None:
    told = InvalidRequest("no", data={"reference": "a"})
    assert json.loads(error_frame(b"1", told))["error"] == {"code": -32600, "message": "no", "data": told.data}
    assert "data" not in json.loads(error_frame(b"1", InvalidRequest("no")))["error"]


def test_bytes_that_are_not_json_are_a_parse_error_without_an_id() -> None:
    message = parse(b'{"jsonrpc":"2.0","id":1,"method":"ping"')
    assert isinstance(message, Broken)
    assert message.id is None
    assert isinstance(message.error, MalformedJSON)
