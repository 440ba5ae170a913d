"""Fuzz target: header values and annotated schemas of any shape are read or refused, never half of each."""

import json

from dovetail.errors import HeaderMismatch, InvalidSchema
from dovetail.wire.headers import decode_value, encode_value, param_headers


def fuzz(data: bytes) -> None:
    for text in (data.decode("latin-1"), "=?base64?" + data.decode("latin-1") + "?="):
        assert decode_value(encode_value(text)) == text
        try:
            value = decode_value(text)
        except HeaderMismatch:
            continue
        assert decode_value(encode_value(value)) == value
    try:
        schema = json.loads(data)
    except (ValueError, RecursionError):
        schema = {"properties": {"a": {"type": "string", "x-mcp-header": data.decode("latin-1")}}}
    try:
        found = param_headers(schema)
    except InvalidSchema:
        return
    assert all(header.name.isascii() and header.name.isprintable() and " " not in header.name for header in found)
