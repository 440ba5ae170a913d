"""Messages to bytes, exactly as a revision says them; bytes to messages, with errors that name the field.

`encode` writes no field and no kind of content that the revision lacks. Never here: what a revision has (see
`revisions`), or what becomes of what it cannot say (see `degrade`).

How: for each Struct and revision a `Plan` is made once. If nothing that the Struct can hold needs a change, the message
goes to msgspec as it is. Otherwise the parts that need one are visited, and only those that differ are replaced. What a
revision requires of every result (`resultType`, cache hints, who answers) is appended to the bytes.

Invariant: a message is never changed; parts that need no change are shared.
"""

from collections.abc import Callable
from operator import is_
from typing import Any, Final, TypeVar, get_args

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from dovetail.errors import Unsayable
from dovetail.revisions import REVISIONS, Revision
from dovetail.wire.asking import COMPLETE, INPUT_REQUIRED, InputRequiredResult
from dovetail.wire.content import ResourceContents
from dovetail.wire.degrade import change_for, reworded
from dovetail.wire.envelope import RequestParams, Result
from dovetail.wire.expected import refusal
from dovetail.wire.meta import SERVER_INFO, TRACE_KEYS, RequestMeta
from dovetail.wire.plain_forms import as_json as _json

T = TypeVar("T")

_MERGED: Final = {ResourceContents: ("TextResourceContents", "BlobResourceContents")}
"""Variants that differ in nothing but the field that tells them apart, so that one plan serves them all."""

_FALLBACK: Final = {"UntitledSingleSelectEnumSchema": "LegacyTitledEnumSchema"}
"""Until 2025-06-18 one official name stood for both."""

_STAMPS: Final = {
    "resultType": ("result_type", b',"resultType":"complete"'),
    "ttlMs": ("ttl_ms", b',"ttlMs":0'),
    "cacheScope": ("cache_scope", b',"cacheScope":"private"'),
}
"""What every result has to say, and what it says unless it was told otherwise: not cached, for this user alone."""

_STAMPED: Final = frozenset(_STAMPS)
_TAILS: Final = 64


class Plan:
    """How messages of one Struct are written for one revision."""

    __slots__ = ("change", "clean", "drops", "name", "needs", "parts", "revision", "stamps", "tails")

    def __init__(self, kind: type[Struct], name: str, revision: Revision) -> None:
        own, required = _words(kind, name, revision)
        optional = [field for field in msgspec.structs.fields(kind) if not field.required]
        self.name = name
        self.revision = revision
        self.change = change_for(kind, revision)
        self.drops = [(field.name, field.default) for field in optional if field.encode_name not in own]
        self.parts = _parts(kind, own, revision)
        self.needs = [(field.name, field.encode_name) for field in optional if field.encode_name in required - _STAMPED]
        self.stamps = _stamps(kind, required)
        self.clean = not (self.change or self.drops or self.parts or self.needs)
        self.tails: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        how = "as it is" if self.clean else f"drops {len(self.drops)}, visits {len(self.parts)}"
        return f"<Plan {self.name} for {self.revision.version}: {how}>"

    def fit(self, message: Any) -> Any:
        """Return what of a message the revision can say."""
        if self.change is not None:
            message = self.change(message)
        changes = {name: default for name, default in self.drops if getattr(message, name) is not default}
        for attribute in self.parts:
            value = getattr(message, attribute)
            if value is not None and (fitted := _fit(value, self.revision)) is not value:
                changes[attribute] = fitted
        for attribute, wire in self.needs:
            if getattr(message, attribute) in (None, UNSET):
                raise Unsayable(f"{self.name} needs `{wire}` in {self.revision.version}")
        return replace(message, **changes) if changes else message

    def tail(self, server_info: bytes) -> bytes:
        """Return all stamps in one, for a result that says none of it itself."""
        tail = self.tails.get(server_info)
        if tail is None:
            tail = b"".join(stamp for _, stamp in self.stamps)
            if server_info and self.revision.server_info_in_meta:
                tail += b',"_meta":{"%b":%b}' % (SERVER_INFO.encode(), server_info)
            if len(self.tails) >= _TAILS:
                self.tails.clear()
            self.tails[server_info] = tail
        return tail


def encode(message: Struct, revision: Revision) -> bytes:
    """Return a message as a revision says it.

    Raises:
        Unsayable: The revision has no such message, or requires a field that is not set.
    """
    return encode_result(message, revision)


def encode_result(result: Any, revision: Revision, *, server_info: bytes = b"") -> bytes:
    """Return a result as a revision says it, with all that the revision requires of every result.

    Args:
        result: A Struct of this room, or a dict or a Struct of its own for an extension. `Raw` is sent as it is.
        revision: The receiver's.
        server_info: The JSON of the server's `Implementation`; stands in `_meta` where the revision wants it and the
            result does not name a server itself.

    Raises:
        Unsayable: The revision has no such message, or requires a field that is not set.
    """
    kind = type(result)
    plan = _PLANS[revision.index].get(kind)
    if plan is None:
        if not isinstance(result, Struct):
            return _encode_foreign(result, revision, server_info)
        result = reworded(result, revision)
        plan = _plan(result, revision)
    if not plan.clean:
        result = plan.fit(result)
    if not plan.stamps:
        return _json(result)
    if result.meta is None and result.result_type is None and (len(plan.stamps) == 1 or _unset(result, plan)):
        return _appended(_json(result), plan.tail(server_info))
    if server_info and result.meta is not None and SERVER_INFO not in result.meta and revision.server_info_in_meta:
        result = replace(result, meta={**result.meta, SERVER_INFO: Raw(server_info)})
    return _appended(_json(result), _rest(result, plan, server_info))


def decode(data: bytes | Raw, kind: type[T]) -> T:
    """Return the message in JSON that has passed the strict check.

    Raises:
        InvalidParams: It has another shape. The text names the field and what was expected there, never the value.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind).decode
    try:
        return decoder(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refusal(error, kind, data) from None


# Appending what every result says.


def _appended(body: bytes, tail: bytes) -> bytes:
    if not tail:
        return body
    return body[:-1] + tail + b"}" if len(body) > 2 else b"{" + tail[1:] + b"}"


def _unset(result: Any, plan: Plan) -> bool:
    return all(getattr(result, attribute) is None for attribute, _ in plan.stamps)


def _rest(result: Any, plan: Plan, server_info: bytes) -> bytes:
    tail = b"".join(stamp for attribute, stamp in plan.stamps if getattr(result, attribute) is None)
    if result.meta is None and server_info and plan.revision.server_info_in_meta:
        tail += b',"_meta":{"%b":%b}' % (SERVER_INFO.encode(), server_info)
    return tail


def _encode_foreign(result: Any, revision: Revision, server_info: bytes) -> bytes:
    """An extension's result: its own fields are its own affair."""
    if not isinstance(result, dict) or not revision.result_type:
        return _json(result)
    stamped = {"resultType": COMPLETE, **result}
    if server_info:
        stamped["_meta"] = {SERVER_INFO: Raw(server_info), **(result.get("_meta") or {})}
    return _json(stamped)


# Making plans.

_PLANS: Final[tuple[dict[type, Plan], ...]] = tuple({} for _ in REVISIONS)
_VARIANT_PLANS: Final[dict[tuple[type, str, int], Plan]] = {}
_DECODERS: Final[dict[Any, Callable[[bytes | Raw], Any]]] = {}
_KNOWN: Final = frozenset(name for revision in REVISIONS for name in revision.fields)


def _plan(message: Struct, revision: Revision) -> Plan:
    """Return a message's plan; some Structs have one for each official name that their instances go by."""
    kind = type(message)
    name = _name_of(kind)
    if name is not None:
        return _plan_of(kind, name, revision)
    name = message.__wire_name__  # type: ignore[attr-defined]
    key = (kind, name, revision.index)
    plan = _VARIANT_PLANS.get(key)
    if plan is None:
        plan = _VARIANT_PLANS[key] = Plan(kind, _sayable(name, revision), revision)
    return plan


def _plan_of(kind: type[Struct], name: str, revision: Revision) -> Plan:
    plans = _PLANS[revision.index]
    plan = plans.get(kind)
    if plan is None:
        plan = plans[kind] = Plan(kind, _sayable(name, revision), revision)
    return plan


def _name_of(kind: type[Struct]) -> str | None:
    """Return a Struct's official name; None if it depends on the instance."""
    name = getattr(kind, "__wire_name__", kind.__name__)
    if isinstance(name, str):
        return name
    return _MERGED[kind][0] if kind in _MERGED else None


def _sayable(name: str, revision: Revision) -> str:
    if name in revision.fields or name not in _KNOWN:
        return name
    if (other := _FALLBACK.get(name)) in revision.fields:
        return str(other)
    raise Unsayable(f"{name} does not exist in {revision.version}")


def _words(kind: type[Struct], name: str, revision: Revision) -> tuple[frozenset[str], frozenset[str]]:
    """Return the fields that may be written, and those that must."""
    if name not in _KNOWN:
        # An extension's own, but what every result has is still the revision's affair.
        own = frozenset(kind.__struct_encode_fields__)
        return (own, frozenset({"resultType"})) if revision.result_type else (own - _STAMPED, frozenset())
    own, required = revision.fields[name], revision.required[name]
    if kind in _MERGED:
        own = own.union(*map(revision.fields_of, _MERGED[kind]))
        required = frozenset()
    if kind is RequestMeta and revision.open_meta:
        own |= frozenset(TRACE_KEYS)
    if kind is RequestParams:
        # `roots/list` has these parameters, too, and inside a result they need no `_meta`.
        required = frozenset()
    return own, required


def _stamps(kind: type[Struct], required: frozenset[str]) -> list[tuple[str, bytes]]:
    if not issubclass(kind, Result):
        return []
    outcome = INPUT_REQUIRED if issubclass(kind, InputRequiredResult) else COMPLETE
    stamps = {**_STAMPS, "resultType": ("result_type", b',"resultType":"%b"' % outcome.encode())}
    return [stamps[wire] for wire in stamps if wire in required]


def _parts(kind: type[Struct], own: frozenset[str], revision: Revision) -> list[str]:
    """Return the fields that hold something which may need a change."""
    return [
        field.name
        for field in msgspec.structs.fields(kind)
        if field.encode_name in own and not all(_is_clean(part, revision) for part in _structs_in(field.type))
    ]


def _structs_in(shape: Any) -> list[type[Struct]]:
    if isinstance(shape, type) and issubclass(shape, Struct):
        return [shape]
    return [part for inner in get_args(shape) for part in _structs_in(inner)]


def _is_clean(kind: type[Struct], revision: Revision) -> bool:
    name = _name_of(kind)
    if name is None or (name in _KNOWN and name not in revision.fields):
        return False
    return _plan_of(kind, name, revision).clean


def _fit(value: Any, revision: Revision) -> Any:
    """Return what a revision can say of a value and all inside it: the value itself where nothing changes."""
    if isinstance(value, list):
        items = [_fit(item, revision) for item in value]
        return value if all(map(is_, items, value)) else items
    if isinstance(value, dict):
        fitted = {key: _fit(item, revision) for key, item in value.items()}
        return value if all(map(is_, fitted.values(), value.values())) else fitted
    if not isinstance(value, Struct):
        return value
    plan = _PLANS[revision.index].get(type(value))
    if plan is None:
        value = reworded(value, revision)
        plan = _plan(value, revision)
    return value if plan.clean else plan.fit(value)
