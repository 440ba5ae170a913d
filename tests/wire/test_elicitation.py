"""Elicitation: every style of every field, and both modes, with their official names."""

import json
from typing import Any

import msgspec
import pytest

import dovetail.wire as wire
from dovetail.wire import ElicitRequestParams, ElicitResult, MultiSelectEnumSchema, RequestedSchema, StringSchema

COLOURS = {"r": "Red", "g": "Green"}
TITLED = [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]

STYLES: dict[str, tuple[Any, dict[str, Any]]] = {
    "StringSchema": (StringSchema(max_length=3), {"type": "string", "maxLength": 3}),
    "NumberSchema": (wire.NumberSchema(minimum=0), {"type": "number", "minimum": 0}),
    "BooleanSchema": (wire.BooleanSchema(default=False), {"type": "boolean", "default": False}),
    "UntitledSingleSelectEnumSchema": (
        wire.UntitledSingleSelectEnumSchema(["r", "g"], default="r"),
        {"type": "string", "enum": ["r", "g"], "default": "r"},
    ),
    "LegacyTitledEnumSchema": (
        wire.LegacyTitledEnumSchema(["r", "g"], ["Red", "Green"]),
        {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]},
    ),
    "TitledSingleSelectEnumSchema": (
        wire.TitledSingleSelectEnumSchema(COLOURS, title="Colour"),
        {"type": "string", "title": "Colour", "oneOf": TITLED},
    ),
    "UntitledMultiSelectEnumSchema": (
        wire.UntitledMultiSelectEnumSchema(["r", "g"], min_items=1),
        {"type": "array", "items": {"type": "string", "enum": ["r", "g"]}, "minItems": 1},
    ),
    "TitledMultiSelectEnumSchema": (
        wire.TitledMultiSelectEnumSchema(COLOURS, max_items=2),
        {"type": "array", "items": {"anyOf": TITLED}, "maxItems": 2},
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_each_style_is_written_and_read_and_knows_its_official_name(style: str) -> None:
    schema, document = STYLES[style]
    form = RequestedSchema(properties={"field": schema})
    encoded = msgspec.json.encode(form)
    assert json.loads(encoded) == {"type": "object", "properties": {"field": document}}
    assert msgspec.json.decode(encoded, type=RequestedSchema) == form
    assert getattr(schema, "__wire_name__", type(schema).__name__) == style


def test_a_whole_number_is_a_number_schema_of_its_own_type() -> None:
    form = msgspec.json.decode(b'{"properties":{"n":{"type":"integer","default":3}}}', type=RequestedSchema)
    assert form.properties["n"] == wire.IntegerSchema(default=3)
    assert wire.IntegerSchema.__wire_name__ == "NumberSchema"


def test_the_items_of_a_multiple_choice_know_their_place() -> None:
    titled, untitled = wire.TitledMultiSelectEnumSchema(COLOURS), wire.UntitledMultiSelectEnumSchema(["r"])
    assert titled.items.__wire_name__ == "TitledMultiSelectEnumSchema.items"
    assert untitled.items.__wire_name__ == "UntitledMultiSelectEnumSchema.items"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "enum": ["a"], "oneOf": TITLED},
        {"type": "string", "enumNames": ["A"]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"enum": ["a"], "anyOf": TITLED}},
        {"type": "array"},
        {"type": "object", "properties": {}},
        {"type": "null"},
        {"enum": ["a"]},
    ],
    ids=str,
)
def test_a_field_that_a_form_cannot_have_is_refused_by_name(schema: dict[str, Any]) -> None:
    form = {"message": "m", "requestedSchema": {"type": "object", "properties": {"f": schema}}}
    with pytest.raises(msgspec.ValidationError, match=r"at `\$\.requestedSchema\.properties\[\.\.\.\]"):
        msgspec.json.decode(json.dumps(form), type=ElicitRequestParams)


def test_a_question_without_a_mode_is_a_form() -> None:
    params = msgspec.json.decode(b'{"message":"m","requestedSchema":{"properties":{}}}', type=ElicitRequestParams)
    assert params.mode == "form"
    assert params.__wire_name__ == "ElicitRequestFormParams"


def test_a_form_is_written_without_its_mode_so_that_every_revision_can_read_it() -> None:
    params = wire.ElicitRequestFormParams("m", RequestedSchema(properties={}))
    assert json.loads(msgspec.json.encode(params)) == {
        "message": "m",
        "requestedSchema": {"type": "object", "properties": {}},
    }


def test_a_url_is_written_with_its_mode() -> None:
    params = wire.ElicitRequestURLParams("m", "https://x.example/", "e1")
    assert params.__wire_name__ == "ElicitRequestURLParams"
    assert json.loads(msgspec.json.encode(params)) == {
        "message": "m",
        "mode": "url",
        "url": "https://x.example/",
        "elicitationId": "e1",
    }


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"message":"m"}', "requestedSchema"),
        (b'{"message":"m","mode":"url","requestedSchema":{"properties":{}}}', "`url`"),
        (b'{"message":"m","mode":"voice","url":"u"}', r"\$\.mode"),
        (b'{"mode":"url","url":"u"}', "message"),
    ],
)
def test_a_question_that_lacks_what_its_mode_needs_is_refused(document: bytes, expected: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=expected):
        msgspec.json.decode(document, type=ElicitRequestParams)


@pytest.mark.parametrize("value", [None, {}, [1], [["r"]]])
def test_an_answer_holds_only_what_a_form_can_ask_for(value: Any) -> None:
    answer = json.dumps({"action": "accept", "content": {"f": value}})
    with pytest.raises(msgspec.ValidationError, match=r"\$\.content"):
        msgspec.json.decode(answer, type=ElicitResult)


@pytest.mark.parametrize("value", ["x", "", 0, 1, 1.5, 10**30, True, False, [], ["r", "g"]])
def test_an_answer_keeps_the_type_of_each_value(value: Any) -> None:
    answer = json.dumps({"action": "accept", "content": {"f": value}})
    content = msgspec.json.decode(answer, type=ElicitResult).content
    assert content is not None
    assert content["f"] == value
    assert type(content["f"]) is type(value)


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
def test_an_answer_without_content_is_an_answer(action: str) -> None:
    assert msgspec.json.decode(json.dumps({"action": action}), type=ElicitResult).content is None


def test_an_action_that_does_not_exist_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"action":"reject"}', type=ElicitResult)


def test_a_multiple_choice_is_told_from_a_single_one_by_its_type() -> None:
    document = b'{"properties":{"a":{"type":"string","enum":[]},"b":{"type":"array","items":{"enum":[]}}}}'
    form = msgspec.json.decode(document, type=RequestedSchema)
    assert [type(field) for field in form.properties.values()] == [StringSchema, MultiSelectEnumSchema]
