"""What a client may reuse of a server's results, for how long, and for whom (2026-07-28, Caching). Decisions alone.

A result is kept under digests: of the server, of whose credentials it was made with (unless it is public), of the
method, the parameters and `_meta`. No address, argument or credential can be read from them. A list is kept whole:
pages of two moments never stand in one list.

Invariants: a private result is found by nobody else. What was asked before a change notice came is not kept after it.
Errors, questions and what was made with the answers to questions are never kept.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from hashlib import sha256
from typing import Any, Final

import msgspec

from dovetail.core.ports import Cached, Place
from dovetail.errors import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    RESOURCE_NOT_FOUND,
    Disconnected,
    HttpFailure,
    InvalidParams,
    PeerError,
    StoreUnusable,
    Timeout,
)
from dovetail.wire import METHODS, Notification, ResourceUpdatedNotificationParams, decode

PUBLIC: Final = None
"""In the place of an authorization context: the results that are for all."""
_MARKS: Final = 10_000
"""Changes that are told apart; past that, everything counts as changed."""
_ANCESTORS: Final = 32

_LISTS: Final = {
    "notifications/tools/list_changed": ("tools/list",),
    "notifications/prompts/list_changed": ("prompts/list",),
    "notifications/resources/list_changed": ("resources/list", "resources/templates/list"),
}
_SUSPECTS: Final = {
    "tools/call": ("tools/list",),
    "prompts/get": ("prompts/list",),
    "resources/read": ("resources/list", "resources/templates/list"),
}
_SUSPICIOUS: Final = frozenset({METHOD_NOT_FOUND, INVALID_PARAMS, HEADER_MISMATCH, RESOURCE_NOT_FOUND})

Subject = tuple[str, str]
"""What a notice is about: a method, and the URI for `resources/read`."""


class Question(msgspec.Struct, frozen=True):
    """A request as far as its result depends on it.

    Attributes:
        method: The method.
        params: The JSON of the parameters.
        meta: The JSON of what the caller put into `_meta`.
        uri: Of the resource that is read.
    """

    method: str
    params: bytes = b"{}"
    meta: bytes = b""
    uri: str = ""

    @property
    def subject(self) -> Subject:
        """What a notice of its change is about."""
        return self.method, self.uri


class Freshness(Enum):
    """What a kept result is good for."""

    FRESH = "to be used"
    AGED = "to be used, while it is fetched anew"
    SPARE = "to be used if it cannot be fetched"
    OVER = "nothing"


class Keeping(msgspec.Struct, frozen=True):
    """A result that is worth keeping: for whom, and for how many seconds in all."""

    cached: Cached
    public: bool
    seconds: float


class _Hints(msgspec.Struct):
    result_type: Any = msgspec.field(default=None, name="resultType")
    ttl_ms: Any = msgspec.field(default=None, name="ttlMs")
    scope: Any = msgspec.field(default=None, name="cacheScope")


_hints = msgspec.json.Decoder(_Hints).decode


class CachePolicy:
    """Decides for one client.

    Args:
        longest: Seconds that a result is fresh at most, whatever the server says.
        while_revalidating: Seconds past that in which it is used while it is fetched anew.
        if_error: Seconds past that in which it is used if it cannot be fetched.
    """

    def __init__(self, longest: float, while_revalidating: float = 0.0, if_error: float = 0.0) -> None:
        self._longest = longest
        self._while_revalidating = while_revalidating
        self._if_error = if_error
        self._marks: dict[Subject, float] = {}
        self._all = float("-inf")

    def __repr__(self) -> str:
        return f"<CachePolicy, {len(self._marks)} changes noted>"

    def state(self, question: Question, cached: Cached | None, now: float) -> Freshness:
        """Tell what a kept result is good for."""
        if cached is None or cached.received > now or not self._stands(question.subject, cached.received):
            return Freshness.OVER
        # "The response is considered fresh while now < t_received + ttlMs" (Caching, Freshness Calculation)
        stale = now - cached.received - min(cached.seconds, self._longest)
        if stale < 0:
            return Freshness.FRESH
        if stale < self._while_revalidating:
            return Freshness.AGED
        # "Clients MAY serve stale responses if errors occur during re-fetching" (Caching, Freshness Calculation)
        return Freshness.SPARE if stale < self._if_error else Freshness.OVER

    def worth(self, question: Question, pages: Sequence[bytes], began: float, received: float) -> Keeping | None:
        """Tell whether a result is to be kept, and how.

        Args:
            question: What was asked.
            pages: The results' JSON: one, or those of a list's pages.
            began: When the first was asked for.
            received: When the first one came.
        """
        if not self._stands(question.subject, began):
            return None
        try:
            hints = [_hints(page) for page in pages]
        except msgspec.MsgspecError:
            return None
        # "Interim results with resultType input_required are not cacheable" (Caching, Cacheable Results)
        if not hints or any(hint.result_type not in (None, "complete") for hint in hints):
            return None
        fresh = min(min(_seconds(hint.ttl_ms) for hint in hints), self._longest)
        keep = fresh + max(self._while_revalidating, self._if_error)
        if keep <= 0:
            return None
        # "Caches MUST NOT be shared across authorization contexts" (Cache Scope Field): only what says on every page
        # that it is public is.
        public = all(hint.scope == "public" for hint in hints)
        return Keeping(Cached(received, fresh, pack_pages(pages)), public, keep)

    def changed(self, notification: Notification | None, now: float) -> tuple[Subject, ...]:
        """Take note of a notification; return what it makes stale. None: some may have been missed; all is stale.

        "The notification invalidates the cached response and it should be considered immediately stale" (Caching,
        Interaction with Notifications).
        """
        if notification is None:
            self._all = now
            self._marks.clear()
            return ()
        return self._mark(tuple(_subjects(notification)), now)

    def suspected(self, method: str, code: int, now: float) -> tuple[Subject, ...]:
        """Take note of an error; return the lists that it makes doubtful.

        "Clients MAY re-fetch before the TTL expires if they have reason to believe the data has changed (e.g.,
        receiving an unexpected error on a tool call ...)" (Caching, Freshness Calculation).
        """
        if code not in _SUSPICIOUS:
            return ()
        return self._mark(tuple((listing, "") for listing in _SUSPECTS.get(method, ())), now)

    def _mark(self, subjects: tuple[Subject, ...], now: float) -> tuple[Subject, ...]:
        if len(self._marks) + len(subjects) > _MARKS:
            self._all = now
            self._marks.clear()
        self._marks.update(dict.fromkeys(subjects, now))
        return subjects

    def _stands(self, subject: Subject, since: float) -> bool:
        return since > self._all and since > self._marks.get(subject, float("-inf"))


def is_cacheable(method: str) -> bool:
    """Tell whether a method's results may be kept at all (Caching, Cacheable Results)."""
    return method in METHODS and METHODS[method].cacheable


def is_temporary(error: BaseException) -> bool:
    """Tell whether a failure says nothing about the result: the server, or the way to it, is down for now."""
    match error:
        case StoreUnusable():
            return False
        case Disconnected() | Timeout():
            return True
        case HttpFailure():
            return error.status == 429 or error.status >= 500
        case PeerError():
            return error.code == INTERNAL_ERROR
    return False


def cache_realm(server: bytes) -> str:
    """Return where the results of a server are kept."""
    return cache_digest(server)


def cache_group(realm: str, subject: Subject) -> str:
    """Return where results stand that one notice makes stale, whosever they are."""
    return cache_digest(realm.encode(), subject[0].encode(), subject[1].encode("utf-8", "surrogatepass"))


def cache_place(server: bytes, context: bytes | None, question: Question) -> Place:
    """Return where the result of a question is kept for an authorization context, or for all (`PUBLIC`).

    "A cached response is identified by the request method together with the request parameters that affect the result.
    Clients MUST NOT serve a cached response for a request whose method or parameters differ" (Caching, Cache Key).
    """
    realm = cache_realm(server)
    group = cache_group(realm, question.subject)
    parts = (group.encode(), question.params, question.meta)
    return Place(cache_digest(*parts) if context is PUBLIC else cache_digest(*parts, context), realm, group)


def cache_digest(*parts: bytes) -> str:
    """Return a digest of byte strings that no other sequence of byte strings has."""
    total = sha256(b"dovetail response cache 1")
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def pack_pages(pages: Sequence[bytes]) -> bytes:
    """Return pages as one JSON array."""
    return b"[%b]" % b",".join(pages)


def unpack_pages(packed: bytes) -> list[bytes] | None:
    """Return the pages of `pack_pages`; None for what is none, as after damage."""
    try:
        return [bytes(page) for page in msgspec.json.decode(packed, type=list[msgspec.Raw])] or None
    except msgspec.MsgspecError:
        return None


def _seconds(ttl: object) -> float:
    """Return a `ttlMs` in seconds.

    "If ttlMs is absent, clients SHOULD assume a default of 0"; "if ttlMs is negative, clients SHOULD ignore it and
    treat it as 0" (Caching, Time-to-Live). What is no number is as good as absent.
    """
    return max(ttl, 0) / 1000 if isinstance(ttl, int) and not isinstance(ttl, bool) else 0.0


def _subjects(notification: Notification) -> Iterator[Subject]:
    for listing in _LISTS.get(notification.method, ()):
        yield listing, ""
    if notification.method != "notifications/resources/updated":
        return
    try:
        uri = decode(notification.params or b"{}", ResourceUpdatedNotificationParams).uri
    except InvalidParams:
        return
    # "the uri MAY be a sub-resource of what was subscribed to" (Resources, Subscriptions): so what lies above changed.
    for _ in range(_ANCESTORS):
        yield "resources/read", uri
        uri, slash, _ = uri.rstrip("/").rpartition("/") if not uri.endswith("/") else (uri[:-1], "/", "")
        if not slash:
            return
        if not uri.endswith("/"):
            yield "resources/read", uri + "/"
