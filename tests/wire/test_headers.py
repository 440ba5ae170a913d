"""Parameters in headers: one spelling for each value, every constraint of the declaration, and no disagreement."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import HeaderMismatch, InvalidSchema
from dovetail.wire.headers import (
    ParamHeader,
    decode_value,
    encode_value,
    header_mismatch,
    header_value,
    looks_secret,
    matches,
    param_headers,
)

SPELLINGS = {  # the table of the specification (Value Encoding), and its neighbours
    "us-west1": "us-west1",
    "Hello, 世界": "=?base64?SGVsbG8sIOS4lueVjA==?=",
    " padded ": "=?base64?IHBhZGRlZCA=?=",
    "line1\nline2": "=?base64?bGluZTEKbGluZTI=?=",
    "=?base64?literal?=": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
    "": "",
    "us west 1": "us west 1",
    "a": "a",
    " ": "=?base64?IA==?=",
    "\tindented": "=?base64?CWluZGVudGVk?=",
    "in\tside": "=?base64?aW4Jc2lkZQ==?=",
    "crlf\r\nX: y": "=?base64?Y3JsZg0KWDogeQ==?=",
    "nul\x00": "=?base64?bnVsAA==?=",
    "del\x7f": "=?base64?ZGVsfw==?=",
    "=?base64?=": "=?base64?PT9iYXNlNjQ/PQ==?=",
    "=?base64??=": "=?base64?PT9iYXNlNjQ/Pz0=?=",
    "=?BASE64?SGVsbG8=?=": "=?BASE64?SGVsbG8=?=",
    "=?base64?SGVsbG8=": "=?base64?SGVsbG8=",
    "SGVsbG8=?=": "SGVsbG8=?=",
    "!~": "!~",
}


@pytest.mark.req("S-06")
@pytest.mark.parametrize(("value", "spelling"), SPELLINGS.items())
def test_a_value_is_spelled_as_the_specification_says(value: str, spelling: str) -> None:
    assert encode_value(value) == spelling
    assert decode_value(spelling) == value


@pytest.mark.req("S-06")
@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("  us-west1\t", "us-west1"),
        (" =?base64?SGVsbG8=?= ", "Hello"),
        ("=?base64??=", ""),
        ("=?base64?=", "=?base64?="),
        ("=?Base64?SGVsbG8=?=", "=?Base64?SGVsbG8=?="),
        ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
        ("SGVsbG8=", "SGVsbG8="),
        ("SGVsbG8=?=", "SGVsbG8=?="),
        ("x=?base64?SGVsbG8=?=", "x=?base64?SGVsbG8=?="),
        ("a\tb", "a\tb"),
    ],
)
def test_a_value_without_both_markers_is_literal(spelling: str, value: str) -> None:
    assert decode_value(spelling) == value


@pytest.mark.req("S-06")
@pytest.mark.parametrize(
    "spelling",
    [
        "=?base64?SGVsbG8?=",  # no padding
        "=?base64?SGVsbG8==?=",  # too much of it
        "=?base64?SGVsbG9=?=",  # bits behind the last byte
        "=?base64?SGVs!!!bG8=?=",
        "=?base64?SGVs bG8=?=",
        "=?base64?SGVs-G8_?=",  # the URL alphabet
        "=?base64?=?=",
        "=?base64?====?=",
        "=?base64?/w==?=",  # not UTF-8
        "=?base64?7aCA?=",  # a surrogate
        "caf\xe9",
        "a\x00b",
        "a\nb",
        "a\x7f",
        "世",
    ],
)
def test_a_value_that_is_not_canonical_is_refused_without_being_shown(spelling: str) -> None:
    with pytest.raises(HeaderMismatch) as caught:
        decode_value(spelling)
    assert caught.value.code == -32020
    assert spelling not in str(caught.value)


@pytest.mark.req("S-06")
@given(st.text() | st.text(alphabet="=?base64 \t\r\nA", max_size=30))
def test_every_text_arrives_as_it_was_and_in_a_legal_header(value: str) -> None:
    spelling = encode_value(value)
    assert all(0x20 <= ord(c) <= 0x7E for c in spelling)
    assert spelling == spelling.strip()
    assert decode_value(spelling) == value


@given(st.text(alphabet=[chr(c) for c in range(0x20, 0x7F)], max_size=60), st.binary(max_size=30))
def test_no_value_has_two_base64_spellings(noise: str, raw: bytes) -> None:
    for inner in (noise, base64.b64encode(raw).decode()):
        try:
            value = decode_value(f"=?base64?{inner}?=")
        except HeaderMismatch:
            continue
        assert base64.b64encode(value.encode()).decode() == inner


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def mirrored(name: Any = "X", kind: Any = "string") -> dict[str, Any]:
    return {"type": kind, "x-mcp-header": name}


@pytest.mark.req("S-06", "C-08")
def test_annotated_parameters_are_found_at_any_depth_of_properties() -> None:
    found = param_headers(
        schema(
            region=mirrored("Region"),
            query={"type": "string"},
            filter=schema(deep=schema(limit=mirrored("Limit", "integer")), strict=mirrored("Strict", "boolean")),
            properties=schema(name=mirrored("a!#$%&'*+.^_`|~0-9Z")),
        )
    )
    assert found == (
        ParamHeader("Region", ("region",), "string"),
        ParamHeader("Limit", ("filter", "deep", "limit"), "integer"),
        ParamHeader("Strict", ("filter", "strict"), "boolean"),
        ParamHeader("a!#$%&'*+.^_`|~0-9Z", ("properties", "name"), "string"),
    )
    assert found[0].field == "Mcp-Param-Region"


def test_schemas_without_annotations_have_no_headers() -> None:
    for nothing in ({}, {"type": "object"}, True, False, schema(a=True), schema(a={"type": "string"})):
        assert param_headers(nothing) == ()


@pytest.mark.parametrize(
    "harmless",
    [
        schema(**{"x-mcp-header": {"type": "string"}}),
        schema(a={"const": {"x-mcp-header": "X"}}),
        schema(a={"enum": [{"x-mcp-header": "X"}]}),
        schema(a={"default": {"x-mcp-header": "X"}, "examples": [{"x-mcp-header": "X"}]}),
        {"$defs": {"x-mcp-header": {"type": "string"}}},
        {"required": ["x-mcp-header"], "description": "x-mcp-header"},
    ],
)
def test_a_property_or_data_of_that_name_is_no_annotation(harmless: dict[str, Any]) -> None:
    assert param_headers(harmless) == ()


INVALID: dict[str, dict[str, Any]] = {
    "empty": schema(a=mirrored("")),
    "space": schema(a=mirrored("My Region")),
    "colon": schema(a=mirrored("Region:Primary")),
    "not ASCII": schema(a=mirrored("Région")),
    "tab": schema(a=mirrored("Region\t1")),
    "carriage return": schema(a=mirrored("Region\r")),
    "line feed at the end": schema(a=mirrored("Region\n")),
    "header injection": schema(a=mirrored("X\r\nAuthorization: y")),
    "NUL": schema(a=mirrored("a\x00")),
    "parenthesis": schema(a=mirrored("a(b)")),
    "not a string": schema(a=mirrored(7)),
    "null name": schema(a=mirrored(None)),
    "the same name": schema(a=mirrored("Region"), b=mirrored("Region")),
    "the same name but for case": schema(a=mirrored("MyField"), b=schema(c=mirrored("myfield"))),
    "number": schema(a=mirrored("X", "number")),
    "object": schema(a=mirrored("X", "object")),
    "array": schema(a=mirrored("X", "array")),
    "null": schema(a=mirrored("X", "null")),
    "no type": schema(a={"x-mcp-header": "X"}),
    "several types": schema(a=mirrored("X", ["string", "null"])),
    "unhashable type": schema(a=mirrored("X", {})),
    "the root": {"type": "object", "x-mcp-header": "X"},
    "items": schema(a={"type": "array", "items": mirrored()}),
    "properties under items": schema(a={"type": "array", "items": schema(b=mirrored())}),
    "prefixItems": schema(a={"prefixItems": [mirrored()]}),
    "contains": schema(a={"contains": mirrored()}),
    "oneOf": schema(a={"oneOf": [mirrored()]}),
    "anyOf at the root": {"anyOf": [schema(a=mirrored())]},
    "allOf": {"allOf": [schema(a=mirrored())]},
    "not": {"not": schema(a=mirrored())},
    "if": {"if": schema(a=mirrored())},
    "then": {"then": schema(a=mirrored())},
    "else": {"else": schema(a=mirrored())},
    "$defs": {"$defs": {"d": mirrored()}, "properties": {"a": {"$ref": "#/$defs/d"}}},
    "definitions": {"definitions": {"d": schema(a=mirrored())}},
    "additionalProperties": {"additionalProperties": mirrored()},
    "patternProperties": {"patternProperties": {"^a": mirrored()}},
    "dependentSchemas": {"dependentSchemas": {"a": schema(b=mirrored())}},
    "propertyNames": {"propertyNames": mirrored()},
    "an unknown keyword": schema(a={"x-other": {"properties": {"b": mirrored()}}}),
    "properties that is no object": {"properties": [mirrored()]},
}


@pytest.mark.req("S-06", "C-08")
@pytest.mark.parametrize("bad", INVALID.values(), ids=INVALID.keys())
def test_an_annotation_that_breaks_a_constraint_makes_the_tool_invalid(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchema, match="x-mcp-header") as caught:
        param_headers(bad)
    assert "\r" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_deep_schema_is_walked_without_recursion() -> None:
    deep: dict[str, Any] = mirrored()
    for _ in range(10_000):
        deep = schema(a=deep)
    (found,) = param_headers(deep)
    assert len(found.path) == 10_000


STRING = ParamHeader("S", ("s",), "string")
INTEGER = ParamHeader("I", ("i",), "integer")
BOOLEAN = ParamHeader("B", ("b",), "boolean")
NESTED = ParamHeader("N", ("a", "n"), "integer")


@pytest.mark.req("S-06")
@pytest.mark.parametrize(
    ("header", "text", "argument"),
    [
        (STRING, "x", "x"),
        (STRING, " x ", "x"),
        (STRING, "=?base64?eA==?=", "x"),
        (STRING, "", ""),
        (STRING, "42", "42"),
        (INTEGER, "42", 42),
        (INTEGER, "42.0", 42),
        (INTEGER, "42", 42.0),
        (INTEGER, "4.2e1", 42),
        (INTEGER, "420E-1", 42),
        (INTEGER, "=?base64?NDI=?=", 42),
        (INTEGER, "-7", -7),
        (INTEGER, "-0", 0),
        (INTEGER, "9007199254740991", 2**53 - 1),
        (BOOLEAN, "true", True),
        (BOOLEAN, "false", False),
    ],
)
def test_a_header_that_spells_the_argument_matches(header: ParamHeader, text: str, argument: Any) -> None:
    assert matches(header, text, argument)
    assert header_mismatch(header, {header.path[0]: argument}, text) is None


@pytest.mark.req("S-06")
@pytest.mark.parametrize(
    ("header", "text", "argument"),
    [
        (STRING, "X", "x"),
        (STRING, "x y", "x  y"),
        (STRING, "42.0", "42"),
        (INTEGER, "43", 42),
        (INTEGER, "42.5", 42),
        (INTEGER, "9007199254740990.9", 2**53 - 1),
        (INTEGER, "9007199254740992", 2**53),
        (INTEGER, "1e999", 42),
        (INTEGER, "9" * 5000, 42),
        (INTEGER, "0x2a", 42),
        (INTEGER, "4_2", 42),
        (INTEGER, "\x34\x32 ", 43),
        (INTEGER, "+42", 42),
        (INTEGER, "NaN", 42),
        (INTEGER, "", 0),
        (INTEGER, "1", True),
        (INTEGER, "42.5", 42.5),
        (INTEGER, "inf", float("inf")),
        (BOOLEAN, "True", True),
        (BOOLEAN, "1", True),
        (BOOLEAN, "false", True),
        (STRING, "[]", []),
        (STRING, "{}", {}),
    ],
)
def test_a_header_that_spells_something_else_does_not_match(header: ParamHeader, text: str, argument: Any) -> None:
    assert not matches(header, text, argument)
    problem = header_mismatch(header, {header.path[0]: argument}, text)
    assert problem is not None
    assert problem.startswith(header.field)


@pytest.mark.req("S-06")
@pytest.mark.parametrize("number", [2**53, -(2**53), 2.0**60])
def test_a_number_that_no_header_may_hold_is_called_too_large_even_where_header_and_body_agree(number: float) -> None:
    problem = header_mismatch(INTEGER, {INTEGER.path[0]: number}, str(int(number)))
    assert (
        problem
        == f"{INTEGER.field}: the body's number is too large for a header, which holds at most 2^53 - 1 either way"
    )


@pytest.mark.req("S-06")
def test_null_and_absent_arguments_have_no_header_and_others_must_have_one() -> None:
    assert header_mismatch(STRING, {"s": None}, None) is None
    assert header_mismatch(STRING, {}, None) is None
    assert "missing" in str(header_mismatch(STRING, {"s": "x"}, None))
    assert "missing" in str(header_mismatch(STRING, {"s": ""}, None))
    assert "does not hold" in str(header_mismatch(STRING, {"s": None}, "x"))
    assert "does not hold" in str(header_mismatch(STRING, {}, ""))


def test_a_nested_argument_is_read_at_its_exact_path() -> None:
    assert header_mismatch(NESTED, {"a": {"n": 5}}, "5") is None
    assert header_mismatch(NESTED, {"n": 5}, None) is None
    assert header_mismatch(NESTED, {"a": [5]}, None) is None
    assert header_mismatch(NESTED, {"a": None}, None) is None
    assert header_mismatch(NESTED, {"a": {"n": 6}}, "5") is not None


@pytest.mark.req("C-08")
def test_an_argument_becomes_a_header_value_or_none() -> None:
    assert header_value(None) is None
    assert header_value("a\r\nb") == "=?base64?YQ0KYg==?="
    assert header_value(True) == "true"
    assert header_value(False) == "false"
    assert header_value(-7) == "-7"
    assert header_value(42.0) == "42"
    unfit: tuple[Any, ...] = (1.5, 2**53, -(2**53), float("nan"), float("inf"), [], {})
    for bad in unfit:
        with pytest.raises(HeaderMismatch):
            header_value(bad)


@given(st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text())
def test_what_a_client_writes_a_server_accepts(argument: Any) -> None:
    assert header_mismatch(STRING, {"s": argument}, header_value(argument)) is None


@pytest.mark.req("S-26", "S-27")
@pytest.mark.parametrize(
    "name",
    "password userPassword PASSWORD db_passwd apiKey api_key APIKey X-API-Key access_key privateKey secret "
    "client_secret token access_token idToken authToken Authorization bearer cookie card_number creditCard cvv otp pin "
    "ssn sessionId jwt passphrase credentials seed_phrase securityCode".split(),
)
def test_names_of_secrets_are_recognised(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    "region query limit max_tokens maxTokens token_count page_token nextToken key keyboard author cardinality pinned "
    "discard shopping secretary tokenizer session id account passenger compass description".split(),
)
def test_ordinary_names_are_no_secrets(name: str) -> None:
    assert not looks_secret(name)
