"""Fuzz target: whatever JSON there is has one canonical form, which is its own, or none."""

import json

from dovetail.wire.jcs import canonical


def fuzz(data: bytes) -> None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = data.decode("utf-8", "replace")
    try:
        written = canonical(value)
    except ValueError:
        return
    assert canonical(json.loads(written)) == written
