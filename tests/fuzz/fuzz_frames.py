"""Fuzz target: any bytes are some message; an id that was read is echoed as it was, and says what JSON says."""

import json

from dovetail.wire.frames import (
    Answer,
    Batch,
    Broken,
    Failure,
    Notification,
    Request,
    Single,
    error_frame,
    id_key,
    notification_frame,
    parse,
    request_frame,
    result_frame,
)

SEEDS = [
    b'{"jsonrpc":"2.0","id":"\\u0031","method":"ping"}',
    b'{"jsonrpc":"2.0","id":-0,"result":{"a":[]}}',
    b'{"jsonrpc":"2.0","id":100000000000000000000000000001,"error":{"code":-1,"message":"","data":null}}',
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"},[],7,{"jsonrpc":"2.0","id":null,"method":"ping"}]',
]


def fuzz(data: bytes) -> None:
    message = parse(data)
    for item in message.items if isinstance(message, Batch) else (message,):
        look(item)


def look(item: Single) -> None:
    match item:
        case Request(identifier, method, params):
            assert type(json.loads(identifier)) in (int, str)
            assert json.loads(id_key(identifier)) == json.loads(identifier)
            assert b'"id":%b,' % identifier in result_frame(identifier, b"{}")
            assert parse(request_frame(identifier, method, params)) == item
        case Notification(method, params):
            assert parse(notification_frame(method, params)) == item
        case Answer(identifier, result):
            assert parse(result_frame(identifier, result)) == item
        case Failure():
            assert item.id is None or type(json.loads(item.id)) in (int, str)
        case Broken(identifier, error, answers):
            assert answers is None or (identifier is None and type(json.loads(answers)) in (int, str))
            written = json.loads(error_frame(identifier, error))
            assert written["error"]["code"] in (-32700, -32600)
            assert ("id" in written) is (identifier is not None)
