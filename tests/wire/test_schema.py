"""Schemas: nothing is fetched, nothing costs more than milliseconds, an error says where and what, never the value."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import InvalidArguments, InvalidSchema
from dovetail.wire.limits import DEFAULT_LIMITS, Limits
from dovetail.wire.schema import DIALECTS, compile_schema
from dovetail.wire.schema_bounds import MOST_LOOKS, MOST_PATTERNS, Document
from tests import pace

NEWEST, DRAFT_7 = "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"


def complaint(schema: Any, value: Any) -> tuple[str, str]:
    with pytest.raises(InvalidArguments) as caught:
        compile_schema(schema).check(value)
    assert caught.value.code == -32602
    assert len(caught.value.message) < 600
    return caught.value.path, caught.value.expected


# --- references -------------------------------------------------------------------------------------------------------


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A real server on loopback that notes who asks."""
    hits: list[str] = []

    class Canary(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"type":"integer"}')

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Canary)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", hits
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


WAYS_OUT = [
    {"$ref": "@"},
    {"properties": {"a": {"$ref": "@#/$defs/x"}}},
    {"$defs": {"never used": {"$ref": "@"}}},
    {"allOf": [{"not": {"items": {"$ref": "@"}}}]},
    {"$id": "@base/", "$ref": "other.json"},
    {"properties": {"a": {"$id": "@sub/", "properties": {"b": {"$ref": "x"}}}}},
    {"$dynamicRef": "@#x"},
    {"$schema": "@"},
    {"$schema": DRAFT_7, "$ref": "@"},
    {"$schema": DRAFT_7, "definitions": {"a": {"$ref": "@"}}, "$ref": "#/definitions/a"},
    {"patternProperties": {"^a": {"$ref": "@"}}},
    {"dependentSchemas": {"a": {"$ref": "@"}}},
    {"if": {"$ref": "@"}, "then": False},
    {"prefixItems": [{"$ref": "@"}]},
    {"contains": {"$ref": "@"}},
    {"propertyNames": {"$ref": "@"}},
    {"unevaluatedProperties": {"$ref": "@"}},
]


def aimed(schema: Any, at: str) -> Any:
    return json.loads(json.dumps(schema).replace("@", at))


@pytest.mark.req("S-11")
@pytest.mark.parametrize("schema", WAYS_OUT, ids=map(str, range(len(WAYS_OUT))))
def test_a_reference_to_the_network_or_a_file_is_never_followed(
    schema: Any, canary: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, hits = canary
    file = tmp_path / "schema.json"
    file.write_text('{"type":"integer"}')
    for address in (f"{url}/x", f"file://{file}", str(file), f"//127.0.0.1:{url.rpartition(':')[2]}/x", "../x"):
        with pytest.raises(InvalidSchema):
            compile_schema(aimed(schema, address))
    assert hits == []


@pytest.mark.req("S-11")
def test_an_address_in_data_or_in_an_unknown_keyword_is_no_reference(canary: tuple[str, list[str]]) -> None:
    url, hits = canary
    harmless: list[dict[str, Any]] = [
        {"const": {"$ref": url}},
        {"default": {"$ref": url}, "examples": [{"$ref": url}], "enum": [{"$ref": url}]},
        {"$comment": url, "x-other": {"$ref": url}},
        {"$id": url + "/schema", "type": "object"},
        {"properties": {"$ref": {"type": "string"}}},
    ]
    for schema in harmless:
        validator = compile_schema(schema)
        validator.is_valid({"$ref": "x"})
        validator.is_valid(1)
    assert hits == []


@pytest.mark.req("S-11")
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/missing"},
        {"$ref": "#missing"},
        {"$ref": "#/properties"},
        {"$ref": "#/required/0", "required": ["a"]},
        {"$ref": "#/default", "default": {"type": "string"}},
        {"$ref": "#/allOf/1", "allOf": [{}]},
        {"$ref": "#/allOf/99999999", "allOf": [{}]},
        {"$dynamicRef": "#missing"},
        {"$ref": "urn:uuid:1"},
        {"$id": "http://a.example/x", "$defs": {"a": {"$id": "http://a.example/x"}}},
        {"$defs": {"a": {"$anchor": "n"}, "b": {"$anchor": "n"}}},
    ],
)
def test_a_reference_that_does_not_resolve_fails_closed(schema: Any) -> None:
    with pytest.raises(InvalidSchema):
        compile_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}},
        {"$ref": "#/$defs/a~1b%25~0", "$defs": {"a/b%~": {"type": "integer"}}},
        {"$ref": "#n", "$defs": {"x": {"$anchor": "n", "type": "integer"}}},
        {"$ref": "#/allOf/0", "allOf": [{"type": "integer"}]},
        {"$id": "http://a.example/s", "$ref": "http://a.example/s#/$defs/n", "$defs": {"n": {"type": "integer"}}},
        {"$id": "http://a.example/s", "$ref": "n", "$defs": {"x": {"$id": "n", "type": "integer"}}},
        {"$schema": DRAFT_7, "allOf": [{"$ref": "#/definitions/n"}], "definitions": {"n": {"type": "integer"}}},
        {"$schema": DRAFT_7, "allOf": [{"$ref": "#n"}], "definitions": {"x": {"$id": "#n", "type": "integer"}}},
        {"$dynamicRef": "#n", "$defs": {"x": {"$dynamicAnchor": "n", "type": "integer"}}},
    ],
)
def test_references_inside_the_document_work(schema: Any) -> None:
    validator = compile_schema(schema)
    validator.check(5)
    with pytest.raises(InvalidArguments):
        validator.check("five")


def test_the_official_meta_schema_may_be_referred_to() -> None:
    validator = compile_schema({"properties": {"schema": {"$ref": NEWEST}}})
    validator.check({"schema": {"type": "string"}})
    with pytest.raises(InvalidArguments):
        validator.check({"schema": {"type": 5}})


# --- dialects ---------------------------------------------------------------------------------------------------------


def test_the_default_dialect_is_2020_12_and_draft_07_is_used_where_it_is_named() -> None:
    tuples = {"prefixItems": [{"type": "string"}]}
    assert not compile_schema(tuples).is_valid([1])
    assert compile_schema({"$schema": DRAFT_7, **tuples}).is_valid([1])
    assert not compile_schema({"$schema": DRAFT_7, "items": [{"type": "string"}]}).is_valid([1])
    for uri in DIALECTS:
        assert compile_schema({"$schema": uri}).dialect == uri
        compile_schema({"$schema": uri + "#"})


@pytest.mark.req("S-11")
@pytest.mark.parametrize(
    "dialect",
    ["http://json-schema.org/draft-04/schema#", "https://json-schema.org/draft/2019-09/schema", "x", "", 7, None, []],
)
def test_another_dialect_is_refused_by_name(dialect: Any) -> None:
    with pytest.raises(InvalidSchema, match="dialect") as caught:
        compile_schema({"$schema": dialect})
    assert repr(str(dialect)) in str(caught.value)


# --- bounds -----------------------------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth - 1):
        schema = {"not": schema}
    return schema


@pytest.mark.req("S-11", "C-13")
def test_every_bound_is_exact() -> None:
    deep, small = DEFAULT_LIMITS.schema_depth, Limits(schema_bytes=50, schema_nodes=5, schema_refs=3, schema_pattern=7)
    compile_schema(nested(deep))
    with pytest.raises(InvalidSchema, match="deeper than 64"):
        compile_schema(nested(deep + 1))
    compile_schema({"anyOf": [{}] * 4}, small)
    with pytest.raises(InvalidSchema, match="more than 5 subschemas"):
        compile_schema({"anyOf": [{}] * 5}, small)
    compile_schema({"allOf": [{"$ref": "#"}] * 3}, Limits(schema_refs=3))
    with pytest.raises(InvalidSchema, match="more than 3 references"):
        compile_schema({"allOf": [{"$ref": "#"}] * 4}, Limits(schema_refs=3))
    compile_schema({"pattern": "a" * 7}, small)
    for long in ({"pattern": "a" * 8}, {"patternProperties": {"a" * 8: True}}):
        with pytest.raises(InvalidSchema, match="longer than 7"):
            compile_schema(long, small)
    for as_bytes in (False, True):
        fits, over = {"title": "x" * 38}, {"title": "x" * 39}
        encode = (lambda s: json.dumps(s, separators=(",", ":")).encode()) if as_bytes else (lambda s: s)
        compile_schema(encode(fits), small)
        with pytest.raises(InvalidSchema, match="larger than 50 bytes"):
            compile_schema(encode(over), small)
    compile_schema({"anyOf": [{"pattern": f"a{n}"} for n in range(MOST_PATTERNS)]})
    with pytest.raises(InvalidSchema, match="patterns"):
        compile_schema({"anyOf": [{"pattern": f"a{n}"} for n in range(MOST_PATTERNS + 1)]})


def multiplied(keyword: str, ways: int, levels: int) -> dict[str, Any]:
    defs: dict[str, Any] = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * ways} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {"minimum": 5}}}


def branching(levels: int) -> dict[str, Any]:
    defs = {
        f"d{n}": {"allOf": [{"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}}}] * 4, "type": "object"}
        for n in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {}}}


@pytest.mark.req("S-11", "C-13")
@pytest.mark.parametrize(
    "bomb",
    [
        *(multiplied(keyword, 4, 14) for keyword in ("allOf", "anyOf", "oneOf")),
        multiplied("allOf", 66, 15),
        branching(14),
        nested(2_000),
        nested(100_000),
        {"anyOf": [{"const": n} for n in range(10_000)]},
        {"properties": {str(n): {} for n in range(10_000)}},
        {"pattern": "a" * 10_000},
        {"pattern": "(((a{1,100}){1,100}){1,100}){1,100}"},
        {"pattern": r"(\p{L}{1,100}){1,100}"},
        {"allOf": [{"$ref": "#/allOf/0"}] * 2_000},
        b"[" * 100_000,
        b'{"not":' * 1_000 + b"{}" + b"}" * 1_000,
        b'{"const":"' + b"a" * 300_000 + b'"}',
    ],
    ids=lambda _: "bomb",
)
def test_a_schema_that_would_cost_too_much_is_refused_at_once(bomb: Any) -> None:
    def compiling() -> None:
        with pytest.raises(InvalidSchema):
            compile_schema(bomb)

    assert pace.milliseconds(compiling, rounds=3) < 100  # the requirement: 100 ms on the reference machine


@pytest.mark.req("C-13")
@pytest.mark.timeout(60)
def test_the_largest_schemas_that_pass_compile_in_time() -> None:
    for schema in (
        {"anyOf": [{"const": n} for n in range(4_999)]},
        {"properties": {str(n): {"type": "string"} for n in range(4_999)}},
        {"allOf": [{"$ref": "#/$defs/a"}] * 1_000, "$defs": {"a": {"type": "object"}}},
        {"anyOf": [{"pattern": f"^[a-z]{{1,{n + 1}}}$"} for n in range(MOST_PATTERNS)]},
        multiplied("anyOf", 4, 5),
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    ):
        # The requirement: a second on the reference machine, the first value included.
        assert pace.milliseconds(lambda: compile_schema(schema).is_valid({"a": 1}), rounds=3) < 1_000  # noqa: B023


def test_looks_are_counted_along_one_value_and_not_over_all_properties() -> None:
    wide = {"type": "object", "properties": {str(n): {"$ref": "#/$defs/a"} for n in range(900)}}
    Document({**wide, "$defs": {"a": {**wide, "properties": {"x": {"anyOf": [{}] * 100}}}}}, DEFAULT_LIMITS)
    half = MOST_LOOKS // 4
    items = {"allOf": [{"items": {"$ref": "#/$defs/a"}}] * 2, "$defs": {"a": {"anyOf": [True] * (half * 2)}}}
    with pytest.raises(InvalidSchema, match="look at one value"):
        Document(items, DEFAULT_LIMITS)


def test_a_schema_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["not"] = loop
    with pytest.raises(InvalidSchema):
        compile_schema(loop)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"properties": {"a": {"type": 5}}},
        {"required": "a"},
        {"minimum": "5"},
        {"pattern": "["},
        {"properties": []},
        {1: 2},
        {"const": {1, 2}},
        {"const": object()},
        {"minLength": -1},
        {"$ref": 5},
        {"$id": 5},
        {"$id": "http://[x"},
        {"$ref": "http://[x#a"},
        b"{",
        b"5",
        b'{"a":1,"a":2}',
        b"\xff",
        5,
        None,
        [],
        "{}",
    ],
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidSchema):
        compile_schema(schema)


# --- hostile values ---------------------------------------------------------------------------------------------------

CATASTROPHIC = [
    r"^(a+)+$",
    r"^(a|a)*$",
    r"^(a|aa)+$",
    r"(.*a){20}",
    r"^(?:(?=a)a+)+$",
    r"^(?!.*b)(a+)+\1$",
    r"^(\w+\s?)*$",
    r"((a*)*)*b",
]


@pytest.mark.req("C-13", "S-11")
@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_catastrophic_pattern_is_harmless(pattern: str) -> None:
    validator = compile_schema({"pattern": pattern})
    for text in ("a" * 30 + "!", "a" * 5_000 + "!", "a " * 5_000 + "\n", "a" * 100_000 + "!"):
        # The requirement: 200 ms on the reference machine.
        assert pace.milliseconds(partial(validator.is_valid, text), rounds=3) < 200


def tree(keyword: str) -> dict[str, Any]:
    """A recursive schema that many a tool would have: a filter of nested conditions."""

    def branch(kind: str) -> dict[str, Any]:
        children = {"type": "array", "items": {"$ref": "#/$defs/node"}}
        return {"type": "object", "properties": {"children": children, "kind": {"enum": [kind]}}}

    return {"$ref": "#/$defs/node", "$defs": {"node": {keyword: [branch("and"), branch("or"), branch("xor")]}}}


@pytest.mark.req("S-09", "C-13")
@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_a_recursive_choice_with_a_deep_wrong_value_is_harmless(keyword: str) -> None:
    validator = compile_schema(tree(keyword))
    value: dict[str, Any] = {"kind": "none", "children": []}
    for _ in range(60):
        value = {"children": [value], "kind": "none"}

    def checking() -> None:
        with pytest.raises(InvalidArguments):
            validator.check(value)

    assert pace.milliseconds(checking, rounds=3) < 200  # the requirement: 200 ms on the reference machine


@pytest.mark.parametrize("schema", [{"uniqueItems": True}, {"items": {"type": "integer"}}, {"contains": {"const": 1}}])
def test_a_long_list_is_checked_in_time(schema: Any) -> None:
    validator = compile_schema(schema)

    def checking(size: int) -> Callable[[], bool]:
        value = [{"a": n} for n in range(size)]
        return lambda: validator.is_valid(value)

    assert pace.growth(checking, 48_000) < 3


def test_a_value_that_is_no_json_does_not_fit() -> None:
    validator = compile_schema({"properties": {"a": {}}, "items": {"type": "string", "pattern": "^a"}})
    values: list[Any] = [{1, 2}, object(), b"x", {1: 2}, ["\ud800"]]
    for value in values:
        with pytest.raises(InvalidArguments):
            validator.check(value)


def test_a_value_as_deep_as_a_message_may_be_is_checked() -> None:
    validator = compile_schema({"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"})
    deep: Any = []
    for _ in range(DEFAULT_LIMITS.depth):
        deep = [deep]
    validator.check(deep)


# --- errors -----------------------------------------------------------------------------------------------------------

OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 150},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": True},
        "where": {"$ref": "#/$defs/place"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "spot": {"anyOf": [{"$ref": "#/$defs/place"}, {"type": "null"}]},
        "unit": {"enum": ["m", "ft"]},
        "fixed": {"const": 7},
        "shape": {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
                    "required": ["r"],
                },
                {
                    "type": "object",
                    "properties": {"kind": {"const": "box"}, "w": {"type": "number"}},
                    "required": ["w"],
                },
            ]
        },
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        "any key": {"type": "object", "additionalProperties": {"type": "integer"}},
        "never": False,
        "even": {"multipleOf": 2},
        "not": {"not": {"type": "string"}},
        "both": {"allOf": [{"type": "integer"}, {"minimum": 10}]},
        "props": {"minProperties": 1, "propertyNames": {"pattern": "^x"}},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"place": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]}},
}

COMPLAINTS: list[tuple[Any, str, str]] = [
    (5, "$", "expected object, got integer"),
    ({}, "$", "expected the property 'name'"),
    ({"name": 5}, "$.name", "expected string, got integer"),
    ({"name": "a"}, "$.name", "expected at least 2 characters"),
    ({"name": "abcdef"}, "$.name", "expected at most 5 characters"),
    ({"name": "ABC"}, "$.name", "expected a text that matches '^[a-z]+$'"),
    ({"name": "ab", "age": -1}, "$.age", "expected at least 0"),
    ({"name": "ab", "age": 150}, "$.age", "expected less than 150"),
    ({"name": "ab", "age": 1.5}, "$.age", "expected integer, got number"),
    ({"name": "ab", "age": True}, "$.age", "expected integer, got boolean"),
    ({"name": "ab", "tags": ["a", 5]}, "$.tags[1]", "expected string, got integer"),
    ({"name": "ab", "tags": ["a", "b", "c"]}, "$.tags", "expected at most 2 items"),
    ({"name": "ab", "tags": ["a", "a"]}, "$.tags", "expected no item twice"),
    ({"name": "ab", "where": {}}, "$.where", "expected the property 'lat'"),
    ({"name": "ab", "where": {"lat": "x"}}, "$.where.lat", "expected number, got string"),
    ({"name": "ab", "note": 5}, "$.note", "expected string or null"),
    ({"name": "ab", "spot": {"lat": []}}, "$.spot.lat", "expected number, got array"),
    ({"name": "ab", "unit": "km"}, "$.unit", 'expected one of ["m","ft"]'),
    ({"name": "ab", "fixed": 8}, "$.fixed", "expected exactly 7"),
    ({"name": "ab", "shape": {"kind": "box", "w": "x"}}, "$.shape.w", "expected number, got string"),
    ({"name": "ab", "shape": {"w": 1, "r": 1}}, "$.shape", "expected object"),
    ({"name": "ab", "pair": ["a", "b"]}, "$.pair[1]", "expected integer, got string"),
    ({"name": "ab", "pair": ["a", 1, 2]}, "$.pair[2]", "expected nothing here"),
    ({"name": "ab", "any key": {"x": 1, "y z": "1"}}, "$['any key']['y z']", "expected integer, got string"),
    ({"name": "ab", "never": 1}, "$.never", "expected nothing here"),
    ({"name": "ab", "even": 3}, "$.even", "expected a multiple of 2"),
    ({"name": "ab", "not": "x"}, "$.not", "expected something else than `not` describes"),
    ({"name": "ab", "both": 5}, "$.both", "expected at least 10"),
    ({"name": "ab", "props": {}}, "$.props", "expected at least 1 properties"),
    ({"name": "ab", "props": {"y": 1}}, "$.props", "expected property names that fit `propertyNames`"),
]


@pytest.mark.req("S-09")
@pytest.mark.parametrize(("value", "path", "expected"), COMPLAINTS)
def test_an_error_names_the_place_and_what_was_expected(value: Any, path: str, expected: str) -> None:
    assert complaint(OBJECT, value) == (path, expected)


DEPENDENT = {
    "$schema": DRAFT_7,
    "dependencies": {"z": ["y"], "a": ["a", "b"], "c": {"properties": {"d": {"type": "integer"}}}},
}
RARE: list[tuple[Any, Any, tuple[str, str]]] = [
    ({"contains": {"const": 1}, "minContains": 0, "maxContains": 1}, [1, 1], ("$", "expected to fit the schema")),
    ({"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {}}}, 1, ("$", "expected to fit the schema")),
    ({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "null"}}}, 1, ("$", "expected to fit the schema")),
    (
        {"additionalProperties": {"type": "null"}, "properties": {"a": True}},
        {"a": 1, "b": 1},
        ("$.b", "expected null, got integer"),
    ),
    ({"items": {"enum": [1]}, "prefixItems": [True]}, [1, 1, 2], ("$[2]", "expected one of [1]")),
    ({"prefixItems": [True, {"type": "null"}]}, [1, 1, 2], ("$[1]", "expected null, got integer")),
    ({"prefixItems": [True], "unevaluatedItems": False}, [1, 2], ("$", "expected to fit the schema")),
    ({"anyOf": [False, {"const": 1}]}, 2, ("$", "expected exactly 1")),
    ({"anyOf": [{"const": 1}, {"const": 2}]}, 3, ("$", "expected to fit one of 2 alternatives")),
    ({"oneOf": [{"const": 1}, {"enum": [1]}]}, 1, ("$", "expected to fit exactly one of 2 alternatives")),
    (
        {"$schema": DRAFT_7, "items": [{"type": "null"}], "additionalItems": False},
        [None, 1],
        ("$[1]", "expected nothing here"),
    ),
    (
        {"additionalProperties": {"type": "null"}, "allOf": [{"required": ["z"]}]},
        {"b": None},
        ("$", "expected the property 'z'"),
    ),
    (
        {
            "$ref": "#/$defs/0",
            "$defs": {**{str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(300)}, "300": {"type": "null"}},
        },
        1,
        ("$", "expected to fit the schema"),
    ),
    ({"type": ["string", "null"]}, 1.5, ("$", "expected string or null, got number")),
    ({"if": {"type": "integer"}, "then": {"minimum": 5}}, 1, ("$", "expected to fit the schema")),
    (DEPENDENT, {"a": 1}, ("$", "expected the property 'b', which 'a' requires")),
    (DEPENDENT, {"c": 1, "d": "x"}, ("$.d", "expected integer, got string")),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"a": 1}, ("$", "expected the property 'b'")),
    ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, ("$", 'expected the properties that others require: {"a":["b"]}')),
    ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"y": 1}, ("$", "expected to fit the schema")),
]


@pytest.mark.parametrize(("schema", "value", "said"), RARE)
def test_an_error_of_a_rare_kind_is_right_if_general(schema: Any, value: Any, said: tuple[str, str]) -> None:
    assert complaint(schema, value) == said


@pytest.mark.req("S-09")
def test_an_unknown_parameter_is_refused_and_named() -> None:
    path, expected = complaint({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, {"b": 1})
    assert (path, expected) == ("$", "unexpected property 'b'; expected only 'a'")


@pytest.mark.req("W-12")
@pytest.mark.parametrize(("value", "path", "expected"), COMPLAINTS)
def test_an_error_never_holds_the_value(value: Any, path: str, expected: str) -> None:
    secret = "hunter2-canary"

    def poisoned(item: Any) -> Any:
        match item:
            case str():
                return secret
            case dict():
                return {key: poisoned(below) for key, below in item.items()}
            case list():
                return [poisoned(below) for below in item]
        return item

    try:
        compile_schema(OBJECT).check(poisoned(value))
    except InvalidArguments as error:
        assert secret not in str(error)
        assert secret not in repr(error.__cause__)
        assert error.__cause__ is None


@pytest.mark.req("W-12")
def test_an_error_is_short_however_long_names_and_schemas_are() -> None:
    long = "k" * 10_000
    complaint({"additionalProperties": False}, {long: 1})
    complaint({"additionalProperties": {"additionalProperties": {"type": "null"}}}, {long: {long: 1}})
    complaint({"enum": [long]}, 1)
    complaint({"const": {long: long}}, 1)
    complaint({"required": [long + str(n) for n in range(20)], "type": "object"}, {})
    deep: Any = 1
    schema: Any = {"type": "null"}
    for _ in range(30):
        deep, schema = {long: deep}, {"additionalProperties": schema}
    complaint(schema, deep)
    complaint({"minimum": 10**4000}, 1)


def test_data_that_only_looks_like_a_schema_does_no_harm_to_errors() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "default": {"type": 5}, "x-data": {"type": 5, "pattern": "["}}
    path, expected = complaint(schema, {"a": 1})
    assert path in {"$", "$.a"}
    assert expected.startswith("expected")


def test_nothing_is_loaded_before_the_first_schema() -> None:
    code = "import sys, dovetail.wire.schema; assert 'jsonschema_rs' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_validator_says_what_it_is() -> None:
    assert repr(compile_schema({})) == f"<Validator of {NEWEST}>"
    assert compile_schema(True).is_valid(1)
    assert complaint(False, 1) == ("$", "expected nothing here")


# --- any schema, any value --------------------------------------------------------------------------------------------

leaves: Any = st.sampled_from(
    [True, False, {}, {"type": "string"}, {"type": ["integer", "null"]}, {"minimum": 2}, {"const": 1}]
)
leaves |= st.sampled_from(
    [{"enum": ["a", 1, None]}, {"maxLength": 1}, {"required": ["a"]}, {"pattern": "^a"}, {"uniqueItems": True}]
)
leaves |= st.sampled_from([{"$ref": "#"}, {"$ref": "#/$defs/d"}, {"contains": {"const": 1}, "minContains": 0}])


def larger(inner: Any) -> Any:
    named = st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    some = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "properties": named,
            "additionalProperties": inner,
            "items": inner,
            "prefixItems": some,
            "allOf": some,
            "anyOf": some,
            "oneOf": some,
            "not": inner,
            "if": inner,
            "then": inner,
            "contains": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=2),
            "dependentSchemas": named,
            "propertyNames": inner,
            "unevaluatedProperties": inner,
        },
    )


schemas = st.recursive(leaves, larger, max_leaves=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 1.5, "a", "b", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(schemas, schemas, values)
def test_any_value_fits_or_is_refused_with_a_place_that_exists(schema: Any, shared: Any, value: Any) -> None:
    if isinstance(schema, dict):
        schema = {**schema, "$defs": {"d": shared}}
    elif "$ref" in json.dumps(schema):
        return
    try:
        validator = compile_schema(schema)
    except InvalidSchema as error:
        assert "resolve" in str(error) or "look" in str(error)
        return
    try:
        validator.check(value)
    except InvalidArguments as error:
        assert not validator.is_valid(value)
        spot = value
        for step in error.path[1:].replace("]", "").replace("[", ".").split(".")[1:]:
            spot = spot[int(step)] if step.isdigit() else spot[step]
    else:
        assert validator.is_valid(value)
