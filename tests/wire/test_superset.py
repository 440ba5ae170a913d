"""The types are the superset of all official schemas, field by field, and hold nothing that no schema has."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import dovetail.wire as wire

FACTS = Path(__file__).parents[1] / "spec" / "facts.json"
REVISIONS: dict[str, dict[str, Any]] = json.loads(FACTS.read_bytes())

VARIANTS: dict[str, type[msgspec.Struct]] = {
    **{f"{kind}.annotations": wire.Annotations for kind in ("TextContent", "ImageContent", "EmbeddedResource")},
    **{f"{kind}.annotations": wire.Annotations for kind in ("Resource", "ResourceTemplate")},
    "ListRootsRequestParams": wire.RequestParams,
    "TextResourceContents": wire.ResourceContents,
    "BlobResourceContents": wire.ResourceContents,
    "ElicitRequestFormParams": wire.ElicitRequestParams,
    "ElicitRequestURLParams": wire.ElicitRequestParams,
    "StringSchema": wire.StringSchema,
    "UntitledSingleSelectEnumSchema": wire.StringSchema,
    "TitledSingleSelectEnumSchema": wire.StringSchema,
    "LegacyTitledEnumSchema": wire.StringSchema,
    "NumberSchema": wire.NumberSchema,
    "TitledSingleSelectEnumSchema.oneOf": wire.EnumOption,
    "TitledMultiSelectEnumSchema.items.anyOf": wire.EnumOption,
    "UntitledMultiSelectEnumSchema": wire.MultiSelectEnumSchema,
    "TitledMultiSelectEnumSchema": wire.MultiSelectEnumSchema,
    "UntitledMultiSelectEnumSchema.items": wire.EnumItems,
    "TitledMultiSelectEnumSchema.items": wire.EnumItems,
}
"""Official names that share a Struct."""

TYPELESS = {
    *("Error", "JSONRPCErrorResponse", "JSONRPCResultResponse"),  # written by frames
    *("Tool.inputSchema", "Tool.outputSchema"),  # stay raw
    *("NotificationMetaObject", "ResultMetaObject", "SubscriptionsListenResultMetaObject"),  # stay dicts
}

STAMPED = {"resultType", "ttlMs", "cacheScope"}
"""What the codec writes where a revision requires it."""

REQUIRED_ELSEWHERE = {
    *("_meta", "requestId"),  # demanded by admission, and by the one who cancels
    *("clientCapabilities", "protocolVersion"),  # of _meta: demanded by admission
    *(
        "text",
        "blob",
        "mode",
        "url",
        "requestedSchema",
        "elicitationId",
        "enum",
        "oneOf",
        "anyOf",
        "type",
    ),  # of a variant
}


def structs() -> dict[str, type[msgspec.Struct]]:
    found = dict(VARIANTS)
    for name in wire.__all__:
        value = getattr(wire, name)
        if isinstance(value, type) and issubclass(value, msgspec.Struct):
            official = getattr(value, "__wire_name__", name)
            if isinstance(official, str):
                found.setdefault(official, value)
    return found


STRUCTS = structs()


def is_task(name: str) -> bool:
    return "task" in name.lower().removeprefix("tasksupport")


OFFICIAL = [
    (version, name)
    for version, facts in REVISIONS.items()
    for name, shape in facts["types"].items()
    if shape["fields"] and not is_task(name) and name not in TYPELESS
]


def wire_fields(struct: type[msgspec.Struct]) -> set[str]:
    tag = struct.__struct_config__.tag_field
    return set(struct.__struct_encode_fields__) | ({tag} if tag else set())


@pytest.mark.parametrize(("version", "name"), OFFICIAL)
def test_every_official_field_has_a_place(version: str, name: str) -> None:
    fields = {field for field in REVISIONS[version]["types"][name]["fields"] if field not in {"task", "tasks"}}
    assert fields <= wire_fields(STRUCTS[name])


@pytest.mark.parametrize("struct", sorted(set(STRUCTS.values()), key=str))
def test_no_field_is_invented(struct: type[msgspec.Struct]) -> None:
    names = [name for name, value in STRUCTS.items() if value is struct]
    official = {
        field
        for facts in REVISIONS.values()
        for name in names
        for field in facts["types"].get(name, {}).get("fields", ())
    }
    if official:
        assert wire_fields(struct) - official <= {"resultType", "_meta"} | set(wire.TRACE_KEYS) | {wire.SUBSCRIPTION_ID}


@pytest.mark.parametrize(("version", "name"), OFFICIAL)
def test_nothing_is_required_that_a_revision_leaves_open(version: str, name: str) -> None:
    struct, shape = STRUCTS[name], REVISIONS[version]["types"][name]
    required = {field.encode_name for field in msgspec.structs.fields(struct) if field.required}
    assert required & set(shape["fields"]) <= set(shape["required"])


@pytest.mark.parametrize(("version", "name"), OFFICIAL)
def test_what_a_revision_requires_is_required_or_demanded_elsewhere(version: str, name: str) -> None:
    struct, shape = STRUCTS[name], REVISIONS[version]["types"][name]
    optional = {field.encode_name for field in msgspec.structs.fields(struct) if not field.required}
    missed = {field.rpartition("/")[2] for field in optional & set(shape["required"])}
    assert missed <= STAMPED | REQUIRED_ELSEWHERE


@pytest.mark.parametrize("version", REVISIONS)
def test_every_method_of_every_revision_is_in_the_table_with_its_direction(version: str) -> None:
    methods = REVISIONS[version]["methods"]
    for role, direction, kind in (
        ("ClientRequest", "to_server", "request"),
        ("ServerRequest", "to_client", "request"),
        ("InputRequest", "to_client", "request"),
        ("ClientNotification", "to_server", "notification"),
        ("ServerNotification", "to_client", "notification"),
    ):
        for name in methods[role]:
            if not is_task(name):
                assert wire.METHODS[name].direction in {direction, "both"}
                assert wire.METHODS[name].kind == kind


def test_no_method_is_invented() -> None:
    official = {name for facts in REVISIONS.values() for names in facts["methods"].values() for name in names}
    assert set(wire.METHODS) == {name for name in official if not is_task(name)}


def test_a_method_goes_both_ways_only_where_both_sides_have_it() -> None:
    for method in wire.METHODS.values():
        sides = {
            side
            for facts in REVISIONS.values()
            for role, side in (
                ("ClientRequest", 1),
                ("ClientNotification", 1),
                ("ServerRequest", 2),
                ("InputRequest", 2),
            )
            if method.name in facts["methods"][role]
        } | {2 for facts in REVISIONS.values() if method.name in facts["methods"]["ServerNotification"]}
        assert sides == {"to_server": {1}, "to_client": {2}, "both": {1, 2}}[method.direction]
