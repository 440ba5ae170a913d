"""What a revision is: a frozen record of named facts, and how the next one is told by what changed.

Here lives the record. Never here: a fact about any one revision (see `revisions`).
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

Facts = Mapping[str, frozenset[str]]


class Asks(Enum):
    """How a server asks its client."""

    PUSH = "push"
    """By a request on the back-channel."""
    PULL = "pull"
    """By a result that says `input_required`; the client sends its request again, with the answers."""


class Revision(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one revision has. Compared by identity: there are exactly the five of `REVISIONS`.

    Attributes:
        version: Its date, as it stands on the wire.
        index: 0 for the oldest.
        fields: Field names by type name. A type that is missing does not exist in this revision.
        required: The required ones among them.
        unions: Kinds by union: `type` tags where tags tell them apart, type names otherwise.
        client_requests: Methods that a client may request, and so on for the other three sets.
        questions: Methods by which a server asks its client, however they travel.
        unserved: Methods that this revision has and Dovetail does not speak: the tasks of 2025-11-25.
        codes: Error codes that MCP gives a meaning to, beyond those of JSON-RPC.
        stateless: No handshake and no session: every request says who sends it (Versioning).
        asks: How a server asks its client.
        batching: Several messages may travel in one JSON array.
        batch_limit: The most messages of a batch; 0 without batching.
        version_header: HTTP requests carry `MCP-Protocol-Version`.
        request_headers: HTTP requests repeat method, name and marked arguments in headers (Standard Headers).
        legacy_sse: Its HTTP transport is the older pair of endpoints (HTTP with SSE).
        sessions: HTTP requests of one client belong to a session.
        event_stream: A GET opens a stream for messages of the server.
        resumable: A broken stream is resumed by `Last-Event-ID`.
        priming_event: A stream begins with an event that has an id and no data (SEP-1699).
        open_meta: `_meta` of requests takes keys that the revision does not name, such as those of trace context.
        result_type: Results say `resultType`.
        cache_hints: Lists and contents say `ttlMs` and `cacheScope`.
        server_info_in_meta: Results name the server in `_meta`.
        structured_content: What a tool's structured result may be.
        argument_results: Arguments that do not fit are a result that the model reads (SEP-1303), not an error.
        sampling_lists: A message to or from a model may hold several blocks.
        elicitation: A server can ask by a form.
        multi_select: A form can ask for several choices of several.
        url_elicitation: A server can ask to visit a URL.
        elicitation_ids: Such a visit has an id, and a notice tells when it is done.
        resource_missing: The error code for a resource that does not exist.
        url_elicitation_required: The error code for a URL to be visited first; None where there is none.
    """

    version: str
    index: int = 0
    fields: Facts
    required: Facts
    unions: Facts
    client_requests: frozenset[str]
    server_requests: frozenset[str]
    client_notifications: frozenset[str]
    server_notifications: frozenset[str]
    questions: frozenset[str]
    unserved: frozenset[str] = frozenset()
    codes: frozenset[int]
    stateless: bool = False
    asks: Asks = Asks.PUSH
    batching: bool = False
    batch_limit: int = 0
    version_header: bool = False
    request_headers: bool = False
    legacy_sse: bool = False
    sessions: bool = True
    event_stream: bool = True
    resumable: bool = False
    priming_event: bool = False
    open_meta: bool = False
    result_type: bool = False
    cache_hints: bool = False
    server_info_in_meta: bool = False
    structured_content: Literal["none", "object", "any"] = "none"
    argument_results: bool = False
    sampling_lists: bool = False
    elicitation: bool = False
    multi_select: bool = False
    url_elicitation: bool = False
    elicitation_ids: bool = False
    resource_missing: int = -32002
    url_elicitation_required: int | None = None

    def __repr__(self) -> str:
        return f"<Revision {self.version}>"

    def has(self, method: str) -> bool:
        """Tell whether a message of this method exists, in either direction."""
        return (
            method in self.client_requests
            or method in self.server_notifications
            or method in self.client_notifications
            or method in self.server_requests
        )

    def fields_of(self, name: str) -> frozenset[str]:
        """Return a type's wire field names; empty for a type that this revision does not have."""
        return self.fields.get(name, frozenset())

    def next(
        self,
        version: str,
        *,
        adds: Mapping[str, str],
        drops: Mapping[str, str] = MappingProxyType({}),
        gone: str = "",
        kinds: Mapping[str, str] = MappingProxyType({}),
        **changes: Any,
    ) -> "Revision":
        """Return the revision that follows: what it adds, what it drops, which types are gone, and all that changed."""
        fields, required = dict(self.fields), dict(self.required)
        for names, words in adds.items():
            for name in names.split():
                _add(fields, required, name, words.split())
        for names, words in drops.items():
            for name in names.split():
                fields[name] -= frozenset(words.split())
                required[name] -= frozenset(words.split())
        for name in gone.split():
            del fields[name], required[name]
        unions = dict(self.unions)
        for name, words in kinds.items():
            unions[name] = _changed(unions.get(name, frozenset()), words)
        for key in _METHODS & changes.keys():
            changes[key] = _changed(getattr(self, key), changes[key])
        changes |= {"fields": MappingProxyType(fields), "required": MappingProxyType(required)}
        changes |= {"unions": MappingProxyType(unions), "version": version, "index": self.index + 1}
        return msgspec.structs.replace(self, **changes)


_METHODS: Final = frozenset(
    "client_requests server_requests client_notifications server_notifications questions unserved".split()
)


def _add(fields: dict[str, frozenset[str]], required: dict[str, frozenset[str]], name: str, words: list[str]) -> None:
    plain = frozenset(word.rstrip("!") for word in words)
    fields[name] = fields.get(name, frozenset()) | plain
    required[name] = (required.get(name, frozenset()) - plain) | {word[:-1] for word in words if word.endswith("!")}


def _changed(before: frozenset[str], words: str) -> frozenset[str]:
    added = {word for word in words.split() if not word.startswith("-")}
    return (before | added) - {word[1:] for word in words.split() if word.startswith("-")}


_NONE: Final = MappingProxyType[str, frozenset[str]]({})

NOTHING: Final = Revision(
    version="",
    index=-1,
    fields=_NONE,
    required=_NONE,
    unions=_NONE,
    client_requests=frozenset(),
    server_requests=frozenset(),
    client_notifications=frozenset(),
    server_notifications=frozenset(),
    questions=frozenset(),
    codes=frozenset(),
)
"""Before the first revision."""
