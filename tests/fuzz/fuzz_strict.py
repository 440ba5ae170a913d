"""Fuzz target: whatever passes the strict check is read alike by two other parsers; only refusals are raised."""

import json

import msgspec

from dovetail.errors import Refusal
from dovetail.wire.strict import check


def fuzz(data: bytes) -> None:
    try:
        check(data)
    except Refusal as refusal:
        assert len(refusal.message) <= 256
        return
    expected = json.loads(data.decode("utf-8"))
    assert msgspec.json.decode(data) == expected
