"""Opaque cursors: how many rows were read, and of what. They hold no secret and give no right: the statement comes
with every call and is checked every time. A cursor of another statement is refused rather than misread."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

import msgspec

from dovetail.errors import ToolError

MOST = 100_000_000
"""Rows that can be skipped; reading them again takes time, which is limited anyway."""


class UnknownCursor(ToolError):
    """It is no cursor, or one of another statement."""


def digest(statement: str, params: Any) -> bytes:
    """What a cursor belongs to."""
    return sha256(msgspec.json.encode([statement, params])).digest()[:12]


def make(offset: int, of: bytes) -> str:
    """Return a cursor for the rows from `offset` on."""
    return urlsafe_b64encode(of + offset.to_bytes(6, "big")).decode()


def offset(cursor: str | None, of: bytes) -> int:
    """Return how many rows to skip.

    Raises:
        UnknownCursor: It is none of this statement.
    """
    if cursor is None:
        return 0
    try:
        data = urlsafe_b64decode(cursor.encode("ascii"))
    except ValueError:
        data = b""
    skipped = int.from_bytes(data[12:], "big")
    if len(data) != 18 or urlsafe_b64encode(data).decode() != cursor or data[:12] != of or skipped > MOST:
        raise UnknownCursor(
            "The cursor does not belong to this statement. Pass next_cursor as it came, with the same statement and "
            "parameters; or leave it out to start from the first row."
        )
    return skipped
