"""Streamable HTTP as rules: which request is acceptable, and which status an outcome has. No socket, no framework.

Header names come in lower case, as ASGI gives them. A name that must have one value and comes twice is refused, never
"first wins" here and "last wins" there (S-07). Verdicts on values that repeat from request to request (Content-Type,
Accept) are remembered, so that a request pays for them with a look-up.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from dovetail.errors import (
    CAPABILITY_MISSING,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    UNSUPPORTED_REVISION,
    Busy,
    InvalidRequest,
    Refusal,
)

JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream"

VERSION_HEADER: Final = b"mcp-protocol-version"
SESSION_HEADER: Final = b"mcp-session-id"
METHOD_HEADER: Final = b"mcp-method"
NAME_HEADER: Final = b"mcp-name"
PARAM_PREFIX: Final = b"mcp-param-"
RESUME_HEADER: Final = b"last-event-id"

STATUS_OF_CODE: Final[Mapping[int, int]] = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    # "A request missing any required field is malformed; the server MUST reject it with JSON-RPC error code -32602
    # [...] On HTTP, the response status MUST be 400 Bad Request." (2026-07-28, Overview, _meta)
    INVALID_PARAMS: 400,
    # "If the server does not implement the requested RPC method, it MUST respond with 404 Not Found and a JSON-RPC
    # error with code -32601" (2026-07-28, Streamable HTTP, Protocol Version Header)
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    CAPABILITY_MISSING: 400,
    UNSUPPORTED_REVISION: 400,
}
"""HTTP status of a JSON-RPC error on the stateless revision; every other code travels with 200."""

STREAM_HEADERS: Final = (
    (b"content-type", EVENT_STREAM),
    (b"cache-control", b"no-cache, no-transform"),
    # "servers SHOULD include the X-Accel-Buffering: no header" (2026-07-28, Streamable HTTP, Receiving Messages)
    (b"x-accel-buffering", b"no"),
)

_LISTS: Final = frozenset({b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"connection"})
_LISTS_MORE: Final = frozenset({b"via", b"forwarded", b"x-forwarded-for", b"cookie", b"pragma", b"te", b"trailer"})
_REPEATABLE: Final = _LISTS | _LISTS_MORE
_MEMORY: Final = 256


class Rejected(msgspec.Struct, frozen=True):
    """An HTTP request that is refused before, or instead of, its message: the status, and the reason for the body."""

    status: int
    error: Refusal


def fields_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes] | Rejected:
    """Return header fields by name; refuse a request that repeats what may stand once."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in fields:
            if name == b"origin":
                return Rejected(403, InvalidRequest("Origin: a page has one"))
            if name not in _REPEATABLE:
                return Rejected(400, InvalidRequest("A header that may stand once is repeated"))
            value = fields[name] + b", " + value
        fields[name] = value
    return fields


class _Verdicts:
    """Remembers a yes or no per header value; bounded, and forgetful when full."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[bytes, bool] = {}

    def get(self, value: bytes) -> bool | None:
        return self._seen.get(value)

    def put(self, value: bytes, verdict: bool) -> bool:
        if len(value) <= _MEMORY:
            if len(self._seen) >= _MEMORY:
                self._seen.clear()
            self._seen[value] = verdict
        return verdict


_json_types = _Verdicts()
_post_accepts = _Verdicts()
_get_accepts = _Verdicts()


def is_json(content_type: bytes) -> bool:
    """Tell whether a Content-Type is JSON in UTF-8. `text/plain` and forms are what a hostile page can send (S-03)."""
    verdict = _json_types.get(content_type)
    if verdict is not None:
        return verdict
    media, _, rest = content_type.partition(b";")
    parameters = rest.lower().replace(b" ", b"").replace(b'"', b"").split(b";")
    # JSON defines no parameter (RFC 8259, section 11): they say nothing, but for one that would change how it is read.
    utf8 = all(parameter == b"charset=utf-8" for parameter in parameters if parameter.startswith(b"charset"))
    return _json_types.put(content_type, media.strip().lower() == JSON and utf8)


def accepts_reply(accept: bytes) -> bool:
    """Tell whether Accept allows both kinds of reply to a POST.

    "The client MUST include an Accept header, listing both application/json and text/event-stream" (Sending Messages).
    """
    verdict = _post_accepts.get(accept)
    if verdict is not None:
        return verdict
    ranges = _ranges(accept)
    return _post_accepts.put(accept, _covers(ranges, JSON) and _covers(ranges, EVENT_STREAM))


def accepts_stream(accept: bytes) -> bool:
    """Tell whether Accept allows an event stream (2025-11-25, Listening for Messages from the Server)."""
    verdict = _get_accepts.get(accept)
    return _get_accepts.put(accept, _covers(_ranges(accept), EVENT_STREAM)) if verdict is None else verdict


def _ranges(accept: bytes) -> set[bytes]:
    """Media ranges of an Accept header without those of weight zero (RFC 9110, section 12.5.1)."""
    ranges = set()
    for part in accept[:4096].lower().split(b","):
        media, *parameters = (piece.strip() for piece in part.split(b";"))
        weight = next((p[2:] for p in parameters if p.startswith(b"q=")), b"1")
        if weight.strip(b"0.") != b"":
            ranges.add(media)
    return ranges


def _covers(ranges: set[bytes], media: bytes) -> bool:
    return media in ranges or media.split(b"/")[0] + b"/*" in ranges or b"*/*" in ranges


def check_post(fields: Mapping[bytes, bytes]) -> Rejected | None:
    """Check what every POST must have, whatever its era."""
    rejected = check_body(fields)
    if rejected is None and not accepts_reply(fields.get(b"accept", b"")):
        return Rejected(406, InvalidRequest("Accept: expected both application/json and text/event-stream"))
    return rejected


def check_body(fields: Mapping[bytes, bytes]) -> Rejected | None:
    """Check what is said of a body, on every route that takes one."""
    if not is_json(fields.get(b"content-type", b"")):
        return Rejected(415, InvalidRequest("Content-Type: expected application/json"))
    if b"content-encoding" in fields and fields[b"content-encoding"].strip().lower() != b"identity":
        return Rejected(415, InvalidRequest("Content-Encoding: a request body must not be compressed"))
    return None


def status_of(error: Refusal) -> int:
    """Return the HTTP status of an error that answers a request of the stateless revision."""
    if isinstance(error, Busy):
        return 429
    return STATUS_OF_CODE.get(error.code, 200)


def session_is_legal(session: bytes) -> bool:
    """Tell whether a session id is of visible ASCII and of a size that this server mints (2025-11-25, Sessions)."""
    return 0 < len(session) <= 128 and all(0x21 <= byte <= 0x7E for byte in session)


def event_id(stream: str, sequence: int) -> str:
    """Return an SSE event id: it names the stream and the place in it (2025-11-25, Resumability and Redelivery)."""
    return f"{stream}:{sequence}"


def read_event_id(value: bytes) -> tuple[str, int] | None:
    """Return stream and sequence number of a Last-Event-ID, or None when it is none of ours."""
    stream, colon, sequence = value.rpartition(b":")
    if not colon or not sequence.isdigit() or len(sequence) > 18 or not stream.isascii() or len(stream) > 64:
        return None
    return stream.decode("ascii"), int(sequence)
