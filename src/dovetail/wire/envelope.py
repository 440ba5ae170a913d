"""What all parameters and all results have in common.

Here live the bases that features build on. Never here: a feature's own fields.

Invariant: one decode of `params` into such a Struct gives the typed parameters and the typed `_meta` together.
"""

from typing import Any, Literal

import msgspec

from dovetail.wire.base import Cursor, Wire
from dovetail.wire.meta import RequestMeta


class RequestParams(Wire, frozen=True, kw_only=True):
    """Parameters of any request: `ping`, `server/discover`, `roots/list` have no others.

    Attributes:
        meta: `_meta`, on the wire.
    """

    meta: RequestMeta | None = msgspec.field(default=None, name="_meta")


class PaginatedRequestParams(RequestParams, frozen=True, kw_only=True):
    """Parameters of a list request.

    Attributes:
        cursor: Where to go on: the `nextCursor` of the page before; None for the first page.
    """

    cursor: Cursor | None = None


class InputResponseRequestParams(RequestParams, frozen=True, kw_only=True):
    """Parameters of a request that may take several rounds (2026-07-28, Multi Round-Trip Requests).

    Attributes:
        input_responses: By the server's key for each question, the JSON of the client's answer. Attacker-controlled.
        request_state: What the server returned in the round before, unchanged.
    """

    input_responses: dict[str, msgspec.Raw] | None = None
    request_state: str | None = None


class NotificationParams(Wire, frozen=True, kw_only=True):
    """Parameters of any notification: `notifications/initialized` and the list changes have no others."""

    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class Result(Wire, frozen=True, kw_only=True):
    """Any result; by itself the empty one.

    Attributes:
        meta: `_meta`, on the wire.
        result_type: `complete`, `input_required`, or what an extension declares (2026-07-28; absent means `complete`).
            The codec stamps it where a revision has it.
    """

    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")
    result_type: str | None = None


class CacheableResult(Result, frozen=True, kw_only=True):
    """A result that says how long it stays true (2026-07-28, Caching). The codec stamps 0 and `private` where unset.

    Attributes:
        ttl_ms: For how many milliseconds it may be reused; 0 means not at all.
        cache_scope: `public` may be shared between users, `private` may not.
    """

    ttl_ms: int | None = None
    cache_scope: Literal["public", "private"] | None = None


class PaginatedResult(CacheableResult, frozen=True, kw_only=True):
    """One page of a list.

    Attributes:
        next_cursor: Asks for the next page; None on the last.
    """

    next_cursor: Cursor | None = None


class ClientResult(Wire, frozen=True, kw_only=True):
    """A client's answer to a server's question: never has a `resultType`."""

    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")
