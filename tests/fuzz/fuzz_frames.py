"""Fuzz target: any bytes are some message; an id that was read is echoed as it was, and says what JSON says."""

import json

from dovetail.wire.frames import Batch, Broken, Request, error_frame, parse, result_frame


def fuzz(data: bytes) -> None:
    message = parse(data)
    for item in message.items if isinstance(message, Batch) else (message,):
        if isinstance(item, Request):
            assert type(json.loads(item.id)) in (int, str)
            assert json.loads(result_frame(item.id, b"{}"))["id"] == json.loads(item.id)
        elif isinstance(item, Broken):
            assert json.loads(error_frame(item.id, item.error))["error"]["code"] in (-32700, -32600)
