"""A result's data from its schema: attributes, dates and choices; and plain JSON where no type can say it."""

import datetime
import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.client.rebuilding import reader_of
from dovetail.client.results import ToolResult
from dovetail.wire import CallToolResult

Json = dict[str, Any]


def rebuilt(schema: Any, value: Any) -> Any:
    raw = msgspec.Raw(json.dumps(value).encode())
    result = CallToolResult(content=[], structured_content=raw)
    return ToolResult(result, reader_of(json.dumps(schema).encode())).data


def obj(required: list[str] | None = None, /, **properties: Any) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties) if required is None else required,
    }


@pytest.mark.parametrize(
    ("schema", "value", "data"),
    [
        ({"type": "string"}, "a", "a"),
        ({"type": "integer"}, 3, 3),
        ({"type": "number"}, 3, 3.0),
        ({"type": "boolean"}, True, True),
        ({"type": "null"}, None, None),
        ({"type": "string", "format": "date"}, "2026-07-28", datetime.date(2026, 7, 28)),
        ({"type": "string", "format": "time"}, "09:30:00", datetime.time(9, 30)),
        (
            {"type": "string", "format": "date-time"},
            "2026-07-28T09:30:00Z",
            datetime.datetime(2026, 7, 28, 9, 30, tzinfo=datetime.UTC),
        ),
        (
            {"type": "string", "format": "uuid"},
            "12345678-1234-5678-1234-567812345678",
            uuid.UUID("12345678-1234-5678-1234-567812345678"),
        ),
        ({"type": "string", "format": "email"}, "a@b", "a@b"),
        (
            {"type": "array", "items": {"type": "string", "format": "date"}},
            ["2026-07-28"],
            [datetime.date(2026, 7, 28)],
        ),
        ({"type": "array"}, [1, "a"], [1, "a"]),
        ({"enum": ["s", "l"]}, "l", "l"),
        ({"enum": [1, "one", None]}, None, None),
        ({"const": 7}, 7, 7),
        ({"type": ["integer", "null"]}, None, None),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, "2026-07-28", datetime.date(2026, 7, 28)),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, 3, 3),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": 1}),
        ({"type": "object"}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": 1}, {"a": 1}),
        (True, [1], [1]),
    ],
)
def test_a_value_is_what_its_schema_says(schema: Any, value: Any, data: Any) -> None:
    found = rebuilt(schema, value)
    assert found == data
    assert type(found) is type(data)


def test_objects_have_attributes_however_deep_and_optional_ones_are_none() -> None:
    schema = obj(["order"], order=obj(["at"], at={"type": "string", "format": "date"}, note={"type": "string"}))
    schema["properties"]["lines"] = {"type": "array", "items": obj(sku={"type": "string"})}
    data = rebuilt(schema, {"order": {"at": "2026-07-28"}, "lines": [{"sku": "a"}]})
    assert data.order.at == datetime.date(2026, 7, 28)
    assert data.order.note is None
    assert [line.sku for line in data.lines] == ["a"]


_NODE = obj(
    ["name"],
    name={"type": "string"},
    seen={"type": "string", "format": "date"},
    children={"type": "array", "items": {"$ref": "#/$defs/Node"}},
    next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
)


@pytest.mark.parametrize(
    "schema",
    [
        {**obj(root={"$ref": "#/$defs/Node"}), "$defs": {"Node": _NODE}},
        {
            **obj(root={"$ref": "#"}),
            "properties": {"root": {"$ref": "#"}, **_NODE["properties"]},
            "$defs": {"Node": {"$ref": "#"}},
        },
    ],
)
def test_a_schema_that_refers_to_itself_is_followed_as_deep_as_the_value_is(schema: Json) -> None:
    leaf = {"name": "c", "seen": "2026-07-28", "next": None}
    value = {"root": {"name": "a", "children": [{"name": "b", "next": {"name": "x", "children": [leaf]}}]}}
    data = rebuilt(schema, value)
    found = data.root.children[0].next.children[0]
    assert (data.root.name, found.name, found.seen, found.next) == ("a", "c", datetime.date(2026, 7, 28), None)


@pytest.mark.parametrize(
    "node",
    [
        {"$ref": "#/$defs/Node"},
        {"$ref": "#/$defs/Node", "type": "object"},
        {"anyOf": [{"$ref": "#/$defs/Node"}], "type": "object"},
        {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        {"type": ["object", "null"], "properties": {"a": {"$ref": "#/$defs/Node"}}},
    ],
)
def test_a_schema_that_is_nothing_but_itself_says_nothing(node: Json) -> None:
    value = {"a": {"a": {"a": None}}}
    assert (
        json.loads(json.dumps(rebuilt({"$ref": "#/$defs/Node", "$defs": {"Node": node}}, value), default=vars)) == value
    )


@pytest.mark.parametrize(
    "schema",
    [
        {**obj(a={"type": "integer"}), "additionalProperties": True},
        {**obj(a={"type": "integer"}), "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"not a name": {}, "a": {"type": "integer"}}},
        {"type": "object", "properties": {"class": {}, "a": {"type": "integer"}}},
        {"anyOf": [obj(a={"type": "integer"}), obj(b={"type": "integer"})]},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "https://example.com/schema"},
        {"anyOf": []},
        {"type": []},
        {"enum": []},
        {**obj(a={"type": "integer"}), "required": 7},
        {"enum": [2**70]},
    ],
)
def test_what_no_type_can_say_stays_plain_json(schema: Json) -> None:
    value = {"a": 1, "not a name": 2, "class": 3}
    data = rebuilt(schema, value)
    assert data == value or data.a == 1


A_OBJECT = obj(a={"type": "integer"})
A_DATE = {"type": "string", "format": "date"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (A_OBJECT, {"a": 1, "b": 2}),
        ({**A_OBJECT, "allOf": [{"properties": {"b": {"type": "integer"}}}]}, {"a": 1, "b": 2}),
        ({**A_OBJECT, "patternProperties": {"^x": {}}, "additionalProperties": A_DATE}, {"a": 1, "x1": "2026-07-28"}),
        ({"$ref": "#/$defs/A", "$defs": {"A": A_OBJECT}, "properties": {"c": {}}}, {"a": 1, "c": 2, "d-e": [3]}),
        ({**A_OBJECT, "anyOf": [{"properties": {"b": {}}}]}, {"a": 1, "b": 2}),
        (obj(items={}, keys={}, self={}), {"items": 1, "keys": 2, "self": 3, "get": 4, "__class__": 5}),
        (obj(v={"type": "number"}), {"v": 12345678901234567891}),
        (obj(v={"type": "number"}), {"v": 10**400}),
        (obj(v={"type": "integer"}), {"v": 2**80}),
        (obj(v={"type": "string", "format": "date-time"}), {"v": "2026-07-28T09:30:00.123456789Z"}),
    ],
)
def test_nothing_that_came_is_lost(schema: Json, value: Json) -> None:
    data = rebuilt(schema, value)
    assert data == value
    assert {name: data[name] for name in data} == value
    if not isinstance(data, dict):
        assert all(getattr(data, name) == inner for name, inner in value.items() if not name.startswith("__"))


def test_members_are_attributes_whatever_their_names_and_whether_they_were_declared() -> None:
    data = rebuilt(obj([], items={"type": "array"}, note={"type": "string"}), {"items": [1], "more": 2, "x-y": 3})
    assert (data.items, data.more, data.note, data["x-y"]) == ([1], 2, None, 3)
    assert "note" not in data
    assert "more" in data
    assert len(data) == 3
    assert repr(data).startswith("Result(items=[1], more=2")
    with pytest.raises(AttributeError):
        _ = data.nothing


def test_a_value_that_does_not_fit_stays_as_it_came_and_so_does_the_type_of_what_is_around_it() -> None:
    schema = obj(at={"type": "string", "format": "date-time"}, n={"type": "integer"})
    for at in ("2024-01-01 10h", "2024-01-01T10:00:00Z", None, 7):
        data = rebuilt(schema, {"at": at, "n": 1.0})
        assert type(data.n) is int
        assert data.n == 1
        assert isinstance(data.at, datetime.datetime) or data.at == at
    assert rebuilt(obj(a={"type": "array", "items": A_DATE}), {"a": ["x", "2026-07-28"]}).a == [
        "x",
        datetime.date(2026, 7, 28),
    ]
    assert rebuilt(obj(a=A_OBJECT), {"a": 7}).a == 7


def test_what_does_not_fit_is_plain_json_and_never_an_error() -> None:
    assert rebuilt(obj(a={"type": "integer"}), {"a": "one"}) == {"a": "one"}
    assert rebuilt({"type": "string", "format": "date"}, "yesterday") == "yesterday"


_words = st.sampled_from(
    ["string", "integer", "number", "boolean", "null", "array", "object", "date", "uuid", "a", "__x", "#/a"]
)
_keys = st.sampled_from(
    "type properties items anyOf oneOf enum const format required additionalProperties $ref title a self class".split()
)
_schemas = st.recursive(
    st.none() | st.booleans() | st.integers() | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=20,
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.req("C-13")
@given(schema=_schemas, value=_values)
def test_no_schema_of_a_stranger_makes_data_fail(schema: Any, value: Any) -> None:
    rebuilt(schema, value)
