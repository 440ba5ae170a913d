"""What is read of an answer that refuses: the error that it holds, whether it means the session, when to come back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

_TRANSPORT_ERROR: Final = -32000
_SHOWN: Final = 256
_LATEST: Final = 86_400.0


class Error(msgspec.Struct):
    """A JSON-RPC error."""

    code: int
    message: str
    data: Any = None


class _ErrorBody(msgspec.Struct):
    error: Error
    id: msgspec.Raw = msgspec.Raw(b"null")


_decode_error = msgspec.json.Decoder(_ErrorBody).decode


def error_of(body: bytes) -> Error | None:
    """Return the error that a body holds, whatever its id: one that is about no request has none, or `null`."""
    try:
        return _decode_error(body).error
    except msgspec.DecodeError:
        return None


def answers_a_request(body: bytes) -> bool:
    """Tell whether an error is the answer to a request of ours, and so about nothing else."""
    try:
        return bytes(_decode_error(body).id).isdigit()  # as all ids of ours are
    except msgspec.DecodeError:
        return False


def names_session(error: Error | None, body: bytes) -> bool:
    """Tell whether an answer is the 400 with which some servers (the TypeScript SDK 1.x) answer in place of a 404."""
    if error is not None:
        said = error.message.lower()
        # "Bad Request: Server not initialized": its transport was made anew and has no session yet.
        return error.code == _TRANSPORT_ERROR and ("session" in said or "not initialized" in said)
    return b"session id" in body[:_SHOWN].lower()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After (RFC 9110, section 10.2.3): seconds, or a date, told by the server's own clock if it says it."""
    value = headers.get("retry-after", "")
    if value.isascii() and value.isdigit() and len(value) < 9:
        return float(value)
    try:
        then = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return min(max(0.0, (then - now).total_seconds()), _LATEST)
    except (ValueError, TypeError, OverflowError):
        return None
