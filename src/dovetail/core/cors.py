"""CORS: what lets a web page of a configured origin use the server from a browser (Fetch Standard, CORS protocol).

Only the origins of `allowed_origins` are told that they may read what comes; never `*`, and never with credentials that
a browser adds by itself: a page sends its own `Authorization`. Nothing is decided here about who gets in: a request
has passed the guard, and without this the browser would keep the answer from the page.

Invariant: with no configured origin there is no header of CORS at all (S-03).
"""

from collections.abc import Mapping
from typing import Final

from dovetail.core.http import PARAM_PREFIX

Fields = list[tuple[bytes, bytes]]

PREFLIGHT_SECONDS: Final = 600
"""How long a browser may remember that it may ask."""

_METHODS: Final = b"GET, POST, DELETE"
_ACCEPTED: Final = frozenset(
    b"accept accept-language authorization cache-control content-language content-type last-event-id "
    b"mcp-method mcp-name mcp-protocol-version mcp-session-id".split()
)
_EXPOSED: Final = b"mcp-session-id, retry-after, www-authenticate"
_TOKEN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~")  # RFC 9110, section 5.6.2
_LONGEST: Final = 4096


def reply_fields(origin: bytes) -> Fields:
    """Return what every reply to a page of a configured origin carries."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"origin"),
    ]


def is_preflight(method: str, fields: Mapping[bytes, bytes]) -> bool:
    """Tell whether a browser asks before it sends what a form could not: "a CORS-preflight request" (Fetch)."""
    return method == "OPTIONS" and b"access-control-request-method" in fields


def preflight_fields(fields: Mapping[bytes, bytes]) -> Fields:
    """Return what the answer to a preflight carries, beside `reply_fields`.

    Of the header names that were asked for, those of the protocol are allowed; `Mcp-Param-*` is an open set.
    """
    wanted = fields.get(b"access-control-request-headers", b"")[:_LONGEST].lower().split(b",")
    more = {name for name in map(bytes.strip, wanted) if name.startswith(PARAM_PREFIX) and _TOKEN.issuperset(name)}
    return [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", b", ".join(sorted(_ACCEPTED | more))),
        (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
    ]
