"""The audit port: what is written down about each call, and nothing about where.

Invariant: a record holds no argument, no result, no header and no text of an error. What was asked for is known by its
digest alone, so that a record proves what a call was to somebody who has the arguments, and tells nobody else.
"""

from typing import Protocol

import msgspec


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call, after it ended.

    Attributes:
        time: When it ended, in seconds since 1970 (UTC).
        server: The server's name.
        principal: The caller's key, as the server established it; empty for a local or unauthenticated caller.
        method: The method; `other` for one that nobody has.
        name: The tool, prompt, resource or template that was reached; empty when there was none.
        revision: The protocol revision.
        outcome: `ok`, `tool_error`, `error`, `asked`, `timed_out`, `cancelled` or `aborted`.
        code: The JSON-RPC error code, if the outcome was an error.
        error: The kind of failure; never its text.
        reference: The id under which an internal failure stands in the log.
        seconds: How long it took.
        arguments: SHA-256 of the arguments' canonical JSON (RFC 8785), in hexadecimal; empty when there were none.
        request_id: The JSON-RPC id.
        trace_id: The W3C trace id that the client sent.
    """

    time: float
    server: str
    principal: str
    method: str
    name: str
    revision: str
    outcome: str
    seconds: float
    code: int | None = None
    error: str = ""
    reference: str = ""
    arguments: str = ""
    request_id: str = ""
    trace_id: str = ""


class AuditSink(Protocol):
    """Where records go. Called on the event loop, once a call: it must be quick, or hand the record on."""

    def record(self, record: AuditRecord) -> None:
        """Keep a record. An exception means that it was lost; the caller counts it."""
        ...
