"""Fuzz target: the rules of `_meta` and of names agree with plain patterns and raise only `InvalidName`."""

import re

from dovetail.errors import InvalidName
from dovetail.wire import check_extension_id, check_meta_key, check_tool_name, is_meta_key, is_reserved
from dovetail.wire.meta import is_baggage, is_traceparent, is_tracestate

LABEL = r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
PREFIX = rf"{LABEL}(?:\.{LABEL})*/"
KEY = re.compile(rf"(?:{PREFIX})?(?:{NAME})?")
EARLIER = re.compile(rf"(?:{LABEL}\.)*(?:mcp|modelcontextprotocol)\.{LABEL}/")
EXTENSION = re.compile(PREFIX + NAME)
TOOL = re.compile(r"[A-Za-z0-9_.-]{1,128}")
RULES = ((check_extension_id, EXTENSION), (check_tool_name, TOOL))
LONGEST = 4096  # the reference patterns are not linear


def fuzz(data: bytes) -> None:
    text = data[:LONGEST].decode("utf-8", "replace")
    for check, pattern in RULES:
        try:
            check(text)
        except InvalidName as error:
            assert not pattern.fullmatch(text)
            assert len(str(error)) < 512 and str(error).isprintable()
        else:
            assert pattern.fullmatch(text)
    assert is_meta_key(text) == bool(KEY.fullmatch(text))
    try:
        check_meta_key(text)
    except InvalidName as error:
        assert is_reserved(text) or EARLIER.match(text) or not is_meta_key(text)
        assert len(str(error)) < 512 and str(error).isprintable()
    else:
        assert is_meta_key(text) and not is_reserved(text) and not EARLIER.match(text)
    for tell in (is_reserved, is_traceparent, is_tracestate, is_baggage):
        assert tell(text) in (True, False)
