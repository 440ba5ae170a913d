"""`_meta`: its keys, its naming rules, and what a request carries there.

Here lives the typed `_meta` of requests (read on every call, so it is decoded together with the parameters) and the
rules for key names, extension identifiers and trace context. Never here: what a key means for the protocol.

Invariant: every check is linear in the length of its input (no pattern can backtrack).
"""

from typing import Any, ClassVar

import msgspec

from dovetail.errors import InvalidName, quote
from dovetail.wire.base import LoggingLevel, ProgressToken

RESERVED = "io.modelcontextprotocol/"
PROTOCOL_VERSION = RESERVED + "protocolVersion"
CLIENT_INFO = RESERVED + "clientInfo"
CLIENT_CAPABILITIES = RESERVED + "clientCapabilities"
LOG_LEVEL = RESERVED + "logLevel"
SUBSCRIPTION_ID = RESERVED + "subscriptionId"
SERVER_INFO = RESERVED + "serverInfo"
PROGRESS_TOKEN = "progressToken"  # noqa: S105 - the name of a key
TRACE_KEYS = ("traceparent", "tracestate", "baggage")

Meta = dict[str, Any]
"""`_meta` of anything but a request."""


class RequestMeta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`_meta` of a request, typed; unknown keys are ignored (2026-07-28, Overview, _meta).

    Attributes:
        progress_token: Opts into progress notifications that carry this token.
        protocol_version: The revision of this request. Required by the stateless revision.
        client_info: The JSON of an `Implementation`. Self-reported.
        client_capabilities: The JSON of `ClientCapabilities`. Required by the stateless revision. Kept raw, since most
            clients send the same bytes with every request.
        log_level: The minimum level of log messages for this request; None means that none may be sent.
        subscription_id: The id of the `subscriptions/listen` request that this belongs to, as it was written.
        traceparent: W3C Trace Context; see `is_traceparent`.
        tracestate: W3C Trace Context; see `is_tracestate`.
        baggage: W3C Baggage; see `is_baggage`.
    """

    __wire_name__: ClassVar[str] = "RequestMetaObject"

    progress_token: ProgressToken | None = msgspec.field(default=None, name=PROGRESS_TOKEN)
    protocol_version: str | None = msgspec.field(default=None, name=PROTOCOL_VERSION)
    client_info: msgspec.Raw | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name=CLIENT_INFO)
    client_capabilities: msgspec.Raw | msgspec.UnsetType = msgspec.field(
        default=msgspec.UNSET, name=CLIENT_CAPABILITIES
    )
    log_level: LoggingLevel | None = msgspec.field(default=None, name=LOG_LEVEL)
    subscription_id: msgspec.Raw | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name=SUBSCRIPTION_ID)
    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_ALPHANUMERIC = _LETTERS | frozenset("0123456789")
_LABEL = _ALPHANUMERIC | {"-"}
_NAME = _ALPHANUMERIC | frozenset("-_.")
_MCP = frozenset({"mcp", "modelcontextprotocol"})


def _is_label(label: str) -> bool:
    # "Labels MUST start with a letter and end with a letter or digit; interior characters can be letters, digits, or
    # hyphens." (Overview, _meta)
    return label[:1] in _LETTERS and label[-1:] in _ALPHANUMERIC and _LABEL.issuperset(label)


def _is_name(name: str) -> bool:
    # "Unless empty, MUST begin and end with an alphanumeric character. MAY contain hyphens, underscores, dots, and
    # alphanumerics in between." (Overview, _meta)
    return not name or (name[0] in _ALPHANUMERIC and name[-1] in _ALPHANUMERIC and _NAME.issuperset(name))


def is_meta_key(key: str) -> bool:
    """Tell whether a `_meta` key is well-formed: an optional prefix of dotted labels and `/`, then a name."""
    prefix, slash, name = key.rpartition("/")
    return _is_name(name) and (not slash or all(map(_is_label, prefix.split("."))))


def is_reserved(key: str) -> bool:
    """Tell whether a key belongs to MCP: "Any prefix where the second label is `modelcontextprotocol` or `mcp`".

    The bare keys `progressToken`, `traceparent`, `tracestate` and `baggage` are MCP's, too.
    """
    prefix, slash, name = key.rpartition("/")
    if not slash:
        return name == PROGRESS_TOKEN or name in TRACE_KEYS
    labels = prefix.split(".", 2)
    return len(labels) > 1 and labels[1] in _MCP


def _was_reserved(key: str) -> bool:
    # "Any prefix beginning with zero or more valid labels, followed by modelcontextprotocol or mcp, followed by any
    # valid label, is reserved for MCP use." (2025-06-18, Overview, _meta)
    labels = key.rpartition("/")[0].split(".")
    return len(labels) > 1 and labels[-2] in _MCP


def check_meta_key(key: str) -> None:
    """Check a key that somebody wants to put into `_meta` of what a server offers.

    Raises:
        InvalidName: It is not well-formed, or MCP's own in any revision: "reserved for MCP use" (Overview, _meta).
    """
    if not is_meta_key(key):
        raise InvalidName(
            f"{quote(key)} is not a _meta key: labels of letters, digits and hyphens, joined by dots and ended by '/', "
            "may precede a name of letters, digits, '-', '_' and '.'"
        )
    if is_reserved(key) or _was_reserved(key):
        raise InvalidName(f"{quote(key)} is a _meta key that MCP reserves for itself: use a prefix of yours")


def check_extension_id(identifier: str) -> None:
    """Check an extension's identifier: "MUST follow the _meta key naming rules, with a mandatory prefix" (Versioning).

    Raises:
        InvalidName: It is not well-formed, or has no prefix or no name.
    """
    prefix, slash, name = identifier.rpartition("/")
    if not (slash and prefix and name and is_meta_key(identifier)):
        raise InvalidName(f"{quote(identifier)} is not an extension identifier: expected prefix/name")


_HEX = frozenset("0123456789abcdef")
_TRACEPARENT_LENGTH = 55
_BAGGAGE_LIMIT = 8192
_TRACESTATE_MEMBERS = 32
_STATE_KEY = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-*/@")
_STATE_VALUE = frozenset(map(chr, range(0x20, 0x7F))) - set(",=")
_TOKEN = _ALPHANUMERIC | frozenset("!#$%&'*+-.^_`|~")
_BAGGAGE_VALUE = frozenset(map(chr, range(0x21, 0x7F))) - set('",;\\')


def _is_hex(text: str, size: int) -> bool:
    return len(text) == size and _HEX.issuperset(text)


def is_traceparent(text: str) -> bool:
    """Tell whether a value follows W3C Trace Context, section 3.2: version, trace id, parent id, flags.

    All in lower-case hex. A version above 00 may carry more after another hyphen; version ff, and ids of zeros only,
    are invalid.
    """
    if len(text) < _TRACEPARENT_LENGTH:
        return False
    parts = text[:_TRACEPARENT_LENGTH].split("-")
    if len(parts) != 4 or not all(map(_is_hex, parts, (2, 32, 16, 2))):
        return False
    version, trace, parent, _ = parts
    rest = text[_TRACEPARENT_LENGTH:]
    if version == "ff" or not trace.strip("0") or not parent.strip("0"):
        return False
    return not rest or (version != "00" and rest[0] == "-")


def _is_state_member(member: str) -> bool:
    key, equals, value = member.partition("=")
    tenant, at, system = key.partition("@")
    if not equals or not value or len(value) > 256 or not _STATE_VALUE.issuperset(value) or value[-1] == " ":
        return False
    if not key or not _STATE_KEY.issuperset(key) or "@" in system:
        return False
    if at:
        return 0 < len(tenant) <= 241 and 0 < len(system) <= 14 and system[0].isalpha()
    return len(key) <= 256 and key[0] not in "_-*/"


def is_tracestate(text: str) -> bool:
    """Tell whether a value follows W3C Trace Context, section 3.3: at most 32 members `key=value`, no key twice."""
    members = [member.strip(" \t") for member in text.split(",")]
    members = [member for member in members if member]
    keys = {member.partition("=")[0] for member in members}
    return len(keys) == len(members) <= _TRACESTATE_MEMBERS and all(map(_is_state_member, members))


def _is_baggage_member(member: str) -> bool:
    pair, *properties = member.split(";")
    key, equals, value = pair.partition("=")
    if not equals or not _is_baggage_part(key, value):
        return False
    return all(_is_baggage_part(*property.partition("=")[::2]) for property in properties)


def _is_baggage_part(key: str, value: str) -> bool:
    key, value = key.strip(" \t"), value.strip(" \t")
    return bool(key) and _TOKEN.issuperset(key) and _BAGGAGE_VALUE.issuperset(value)


def is_baggage(text: str) -> bool:
    """Tell whether a value follows W3C Baggage, section 3.3: members `key=value;property`, 8192 bytes at most."""
    return len(text) <= _BAGGAGE_LIMIT and all(map(_is_baggage_member, text.split(",")))
