"""Fuzz target: parameters and results of every method decode or are refused; what decodes can be written and reread.

The first byte picks the method and the side; the rest is the message, behind the strict pass as in a server.
"""

from typing import Any

import msgspec

from dovetail.errors import Refusal
from dovetail.wire import METHODS, InputRequiredResult, Result
from dovetail.wire.strict import check

TYPES: list[Any] = [method.params for method in METHODS.values()]
TYPES += [method.result for method in METHODS.values() if method.result]
TYPES += [InputRequiredResult, Result]
DECODERS = [msgspec.json.Decoder(type) for type in TYPES]


def fuzz(data: bytes) -> None:
    if not data:
        return
    decoder, message = DECODERS[data[0] % len(DECODERS)], data[1:]
    try:
        check(message)
        heard = decoder.decode(message)
    except (Refusal, msgspec.DecodeError):
        return
    again = msgspec.json.encode(heard)
    assert msgspec.json.encode(decoder.decode(again)) == again
