"""Messages of every type with every field filled, for hypothesis.

Two ways: *rich* messages use the whole superset, so that a revision has to leave out or degrade much of it; *exact*
ones use only what the target revision can say, so that nothing may be lost. In both, what it requires is set.
"""

from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

import dovetail.wire as wire
from dovetail.revisions import Revision

Kind = type[msgspec.Struct]
Strategy = st.SearchStrategy[Any]

VARIANTS: dict[Kind, dict[str, set[str]]] = {
    wire.ResourceContents: {"TextResourceContents": {"blob"}, "BlobResourceContents": {"text"}},
    wire.ElicitRequestParams: {"ElicitRequestFormParams": set(), "ElicitRequestURLParams": set()},
    wire.StringSchema: {
        "StringSchema": {"enum", "enum_names", "one_of"},
        "UntitledSingleSelectEnumSchema": {"enum_names", "one_of"},
        "LegacyTitledEnumSchema": {"one_of"},
        "TitledSingleSelectEnumSchema": {"enum", "enum_names"},
    },
    wire.MultiSelectEnumSchema: {"UntitledMultiSelectEnumSchema": set(), "TitledMultiSelectEnumSchema": set()},
    wire.EnumItems: {"UntitledMultiSelectEnumSchema.items": {"any_of"}, "TitledMultiSelectEnumSchema.items": {"enum"}},
}
"""The official names that a Struct goes by, and the fields that make it another one."""

ALWAYS = {
    "TextResourceContents": {"text"},
    "BlobResourceContents": {"blob"},
    "ElicitRequestFormParams": {"requested_schema"},
    "ElicitRequestURLParams": {"mode", "url"},
    "UntitledSingleSelectEnumSchema": {"enum"},
    "LegacyTitledEnumSchema": {"enum", "enum_names"},
    "TitledSingleSelectEnumSchema": {"one_of"},
    "UntitledMultiSelectEnumSchema.items": {"type", "enum"},
    "TitledMultiSelectEnumSchema.items": {"any_of"},
}
"""The fields that make an instance go by that name."""

UNSAYABLE = {name for kind in (wire.MultiSelectEnumSchema, wire.EnumItems) for name in VARIANTS[kind]}
UNSAYABLE |= {"ElicitRequestURLParams"}
"""Names for which a revision that lacks them has no words at all."""

texts = st.text(max_size=4)
integers = st.integers(0, 1000)
values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(0, 1) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=3,
)
objects = st.dictionaries(texts, values, max_size=2)
# The newest schema's `JSONValue` was generated without null and fractions; what it calls JSON is drawn without, too.
plain = st.dictionaries(texts, st.booleans() | integers | texts | st.lists(texts, max_size=1), max_size=2)


def raw(of: Strategy) -> Strategy:
    return of.map(lambda value: msgspec.Raw(msgspec.json.encode(value)))


object_schemas = st.sampled_from(
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"b": {}}},
    ]
)
other_schemas = st.sampled_from(
    [
        {"type": "string"},
        {"type": ["object", "null"]},
        {"$ref": "#/$defs/c", "$defs": {"c": {"type": "array"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"$id": "urn:d", "type": "integer"},
    ]
)
capabilities: Strategy = st.just({"sampling": {}, "extensions": {"com.example/x": {}}})
ids = texts | integers


def _questions() -> Strategy:
    questions = [
        {"method": "roots/list", "params": {}},
        {"method": "elicitation/create", "params": {"mode": "url", "message": "m", "url": "https://a"}},
    ]
    return st.dictionaries(texts, raw(st.sampled_from(questions)), max_size=2)


def _answers() -> Strategy:
    return st.dictionaries(texts, raw(st.sampled_from([{"roots": []}, {"action": "decline"}])), max_size=2)


NAMED: dict[tuple[str, str], Strategy] = {
    ("Tool", "input_schema"): raw(object_schemas),
    ("CallToolRequestParams", "arguments"): raw(objects),
    ("RequestMeta", "client_info"): raw(st.just({"name": "n", "version": "v"})),
    ("RequestMeta", "client_capabilities"): raw(capabilities),
    ("RequestMeta", "subscription_id"): raw(ids),
    ("CancelledNotificationParams", "request_id"): raw(ids),
    ("InputRequiredResult", "input_requests"): _questions(),
    ("SubscriptionsListenResult", "meta"): objects.map(lambda it: {**it, wire.SUBSCRIPTION_ID: "1"}),
    ("CreateMessageRequestParams", "metadata"): plain,
    ("ElicitRequestParams", "mode"): st.just("url"),
}
"""Fields whose Python type says less than the schema."""


@cache
def messages(kind: Kind, target: Revision, exact: bool = False) -> Strategy:
    """Return messages of a type for a revision; empty if it has none."""
    names = VARIANTS.get(kind) or {str(getattr(kind, "__wire_name__", kind.__name__)): set()}
    allowed = [name for name in names if name in target.fields or not (exact or name in UNSAYABLE)]
    return st.one_of([_variant(kind, name, frozenset(names[name]), target, exact) for name in allowed])


def _variant(kind: Kind, name: str, rivals: frozenset[str], target: Revision, exact: bool) -> Strategy:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    required = target.required.get(name, frozenset())
    forced = {
        field.name
        for field in fields.values()
        if field.required or field.encode_name in required or field.name in ALWAYS.get(name, ())
    }
    own = target.fields_of(name) | (frozenset(wire.TRACE_KEYS) if target.open_meta else frozenset())
    chosen = [field for field in fields if field not in rivals and (not exact or fields[field].encode_name in own)]
    if name == "ElicitRequestFormParams":
        chosen = [field for field in chosen if field != "mode"]
    content = {field: _field(kind, name, field, fields[field].type, target, exact) for field in {*chosen, *forced}}
    optional = sorted(set(content) - forced)
    every = st.just(frozenset(optional))
    some = st.sets(st.sampled_from(optional)).map(frozenset) if optional else every
    return (
        (every | some)
        .flatmap(
            lambda picked: st.fixed_dictionaries(
                {field: content[field] for field in content if field in picked | forced}
            )
        )
        .map(lambda values: kind(**values))
    )


def _field(kind: Kind, name: str, field: str, shape: Any, target: Revision, exact: bool) -> Strategy:
    if (kind.__name__, field) in NAMED:
        return NAMED[kind.__name__, field]
    match field:
        case "structured_content":
            return raw(objects if exact and target.structured_content == "object" else values)
        case "output_schema":
            return raw(
                object_schemas if exact and target.structured_content == "object" else object_schemas | other_schemas
            )
        case "input_responses":
            return _answers()
        case "priority" | "cost_priority" | "speed_priority" | "intelligence_priority":
            return st.floats(0, 1)
        case "experimental" | "extensions":
            return st.dictionaries(texts, plain, max_size=1)
        case "content" if kind is wire.ElicitResult:
            single = texts | integers | st.booleans()
            many = target.multi_select or not exact
            return st.dictionaries(texts, single | st.lists(texts, max_size=2) if many else single, max_size=2)
        case "items" if kind is wire.MultiSelectEnumSchema:
            return _variant(
                wire.EnumItems, f"{name}.items", frozenset(VARIANTS[wire.EnumItems][f"{name}.items"]), target, exact
            )
    if kind.__name__.endswith(("Capability", "Capabilities")) and dict[str, Any] in _members(shape):
        return plain
    return of(shape, target, exact)


def _members(shape: Any) -> tuple[Any, ...]:
    return get_args(shape) if get_origin(shape) in (Union, UnionType) else (shape,)


def of(shape: Any, target: Revision, exact: bool) -> Strategy:
    """Return what a Python type allows, but None and UNSET: a field that is drawn is set."""
    origin = get_origin(shape)
    if origin in (Union, UnionType):
        absent = (type(None), msgspec.UnsetType)
        parts = [part for part in get_args(shape) if part not in absent]
        if exact and not target.sampling_lists and any(part is wire.TextContent for part in parts):
            parts = [part for part in parts if get_origin(part) is not list]
        return st.one_of([of(part, target, exact) for part in parts])
    if origin is list:
        return st.lists(of(get_args(shape)[0], target, exact), max_size=2)
    if origin is dict:
        return (
            objects
            if get_args(shape)[1] is Any
            else st.dictionaries(texts, of(get_args(shape)[1], target, exact), max_size=2)
        )
    if origin is Literal:
        return st.sampled_from(get_args(shape))
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return messages(shape, target, exact)
    return {str: texts, int: integers, float: st.floats(0, 1), bool: st.booleans(), Any: values}[shape]
