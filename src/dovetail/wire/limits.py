"""Every default limit of the wire, in one place. All can be changed; none can be switched off by accident."""

import msgspec

KIB = 1024
MIB = 1024 * KIB


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on what a peer may send: bytes and seconds. What exceeds one is refused, never truncated."""

    body: int = 4 * MIB
    """A request body over HTTP: 413."""
    line: int = 16 * MIB
    """A line on stdio, or one SSE event."""
    depth: int = 128
    """Nested arrays and objects."""
    keys: int = 10_000
    """Keys in one object."""
    nodes: int = 200_000
    """Values in one message, counted as `,`, `{` and `[` before anything is parsed."""
    identifier: int = 256
    """A request id, a method, a progress token."""
    request_state: int = 64 * KIB
    """The sealed state of a multi-round request."""
    cursor: int = 4 * KIB
    """A pagination cursor."""
    handle: int = 256
    """A state handle."""
    uri: int = 8 * KIB
    """The URI of a subscription."""
    subscriptions: int = 1_000
    """Resources that one session, or one listen stream, is subscribed to."""
    subscription_bytes: int = 256 * KIB
    """The URIs of those, together."""
    batch: int = 50
    """Elements of a JSON-RPC batch (2025-03-26)."""
    header_block: int = 32 * KIB
    """All header fields of a request: 431."""
    header_count: int = 100
    """Number of header fields: 431."""
    header_value: int = 8 * KIB
    """One header value: 431."""
    header_seconds: float = 10.0
    """From the connection, or the end of the last response, to the end of the header."""
    body_seconds: float = 30.0
    """From the end of the header to the end of the body."""
    body_rate: int = KIB
    """Bytes a second that a body must arrive at."""
    write_seconds: float = 30.0
    """How long a client may leave what was sent to it unread."""
    schema_bytes: int = 256 * KIB
    """A schema, as JSON."""
    schema_depth: int = 64
    """Nested arrays and objects of a schema."""
    schema_nodes: int = 5_000
    """Subschemas of a schema."""
    schema_refs: int = 1_000
    """References in a schema."""
    schema_pattern: int = 1_024
    """Characters of a `pattern`."""
    in_flight: int = 100
    """Requests under way for one stdio peer; more are queued."""
    queued: int = 1_000
    """Requests queued for one stdio peer; more are refused as busy."""
    queued_bytes: int = 16 * MIB
    """Bytes queued for one stdio peer; more are refused as busy."""
    principal_in_flight: int = 200
    """Requests under way for one principal over HTTP: 429."""
    streams: int = 100
    """Listen streams of one principal: 429."""
    stream_messages: int = 256
    """Messages waiting on one stream before it is closed."""
    stream_bytes: int = MIB
    """Bytes waiting on one stream before it is closed."""
    rounds: int = 10
    """Rounds of one call that asks its client."""
    sessions: int = 10_000
    """Sessions of the stateful revisions; one that was never used makes room: 503."""
    principal_sessions: int = 1_000
    """Sessions of one principal: 429."""
    session_seconds: float = 3600.0
    """How long a session may be idle: nobody connected, nothing sent, no call with a time limit at work."""
    memory_bytes: int = 64 * MIB
    """Kept in memory of each: sessions, claims, answers over 8 KiB, messages to resume; of the last three a quarter
    for one caller."""
    state_bytes: int = 1024 * MIB
    """What `state.db` may grow to; a quarter for answers over 8 KiB, a quarter for messages to resume; a
    sixteenth for one caller of either, and of claims."""
    list_items: int = 20_000
    """Items of one list that a client takes, over all its pages."""
    list_bytes: int = 64 * MIB
    """Bytes of all pages of one list that a client takes."""
    cache_entries: int = 1_000
    """Results that a client's cache keeps."""
    cache_bytes: int = 64 * MIB
    """Bytes of all results that a client's cache keeps."""
    cache_seconds: float = 86_400.0
    """How long a client's cache takes a result for fresh, whatever the server says."""


DEFAULT_LIMITS = Limits()
