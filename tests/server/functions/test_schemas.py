"""Schemas: what each annotation becomes, and that a schema says what the decoder accepts."""

import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import json
import re
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict, TypeVar

import annotated_types as at
import jsonschema_rs
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.errors import DefinitionError
from dovetail.server.functions.annotations import Reader
from dovetail.server.functions.decimals import PATTERN
from dovetail.server.functions.schemas import schema_for
from dovetail.server.functions.signature import Signature
from dovetail.server.functions.standins import hook
from dovetail.server.functions.titles import untitled

T = TypeVar("T")
UserId = NewType("UserId", int)


class Level(enum.Enum):
    LOW = "low"
    MID = "mid"
    HIGH = "high"


class Bit(enum.IntEnum):
    ON = 1
    OFF = 0


@dataclasses.dataclass
class Circle:
    radius: Annotated[float, at.Gt(0)]


@dataclasses.dataclass
class Square:
    """A square.

    Attributes:
        side: In metres.
    """

    side: float
    level: Level = Level.LOW
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Node:
    value: int
    children: "list[Node]" = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Drawing:
    shapes: list[Circle | Square]
    inner: "Drawing | None" = None


class Options(TypedDict):
    a: int
    b: NotRequired[Annotated[str, "what b is"]]


class Pair(NamedTuple):
    left: int
    right: str = "x"


class Money(msgspec.Struct, rename="camel"):
    minor_units: int
    currency: str = "EUR"


class Page(msgspec.Struct, Generic[T]):
    items: list[T]


class Card(msgspec.Struct, tag=True):
    number: str


class Cash(msgspec.Struct, tag=True):
    amount: int


class Model(pydantic.BaseModel):
    """A model."""

    count: int = pydantic.Field(ge=0, description="How many")
    level: Level = Level.LOW
    inner: "Model | None" = None


CIRCLE = {"type": "object", "properties": {"radius": {"type": "number", "exclusiveMinimum": 0}}, "required": ["radius"]}
SQUARE = {
    "description": "A square.",
    "type": "object",
    "properties": {
        "side": {"description": "In metres.", "type": "number"},
        "level": {"type": "string", "enum": ["low", "mid", "high"], "default": "low"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["side"],
}
TABLE: list[tuple[Any, dict[str, Any]]] = [
    (Any, {}),
    (object, {}),
    (None, {"type": "null"}),
    (bool, {"type": "boolean"}),
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
    (str, {"type": "string"}),
    (bytes, {"type": "string", "contentEncoding": "base64"}),
    (datetime.datetime, {"format": "date-time", "type": "string"}),
    (datetime.date, {"type": "string", "format": "date"}),
    (datetime.time, {"format": "time", "type": "string"}),
    (datetime.timedelta, {"type": "string", "format": "duration"}),
    (uuid.UUID, {"type": "string", "format": "uuid"}),
    (decimal.Decimal, {"type": ["string", "number"], "format": "decimal", "pattern": PATTERN}),
    (list, {"type": "array"}),
    (list[int], {"type": "array", "items": {"type": "integer"}}),
    (set[int], {"type": "array", "items": {"type": "integer"}}),
    (Sequence[str], {"type": "array", "items": {"type": "string"}}),
    (Iterable[str], {"type": "array", "items": {"type": "string"}}),
    (Iterable, {"type": "array"}),
    (
        tuple[int, str],
        {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
        },
    ),
    (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
    (dict, {"type": "object"}),
    (dict[str, Any], {"type": "object"}),
    (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
    (
        dict[int, str],
        {
            "propertyNames": {"pattern": "^-?(0|[1-9][0-9]*)$"},
            "type": "object",
            "additionalProperties": {"type": "string"},
        },
    ),
    (
        dict[Level, int],
        {
            "propertyNames": {"type": "string", "enum": ["low", "mid", "high"]},
            "type": "object",
            "additionalProperties": {"type": "integer"},
        },
    ),
    (
        dict[uuid.UUID, int],
        {"propertyNames": {"format": "uuid"}, "type": "object", "additionalProperties": {"type": "integer"}},
    ),
    (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    (Optional[str], {"anyOf": [{"type": "string"}, {"type": "null"}]}),  # noqa: UP045
    (str | datetime.date, {"anyOf": [{"type": "string"}, {"type": "string", "format": "date"}]}),
    (Literal["z", "a"], {"type": "string", "enum": ["z", "a"]}),
    (Literal[2, 1], {"type": "integer", "enum": [2, 1]}),
    (Literal["a", None], {"enum": ["a", None]}),
    (Literal[True], {"type": "boolean", "enum": [True]}),
    (Level, {"type": "string", "enum": ["low", "mid", "high"]}),
    (Bit, {"type": "integer", "enum": [1, 0]}),
    (UserId, {"type": "integer"}),
    (Circle, CIRCLE),
    (Square, SQUARE),
    (Circle | Square, {"anyOf": [CIRCLE, SQUARE]}),
    (
        Options,
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"description": "what b is", "type": "string"}},
            "required": ["a"],
        },
    ),
    (
        Money,
        {
            "type": "object",
            "properties": {"minorUnits": {"type": "integer"}, "currency": {"type": "string", "default": "EUR"}},
            "required": ["minorUnits"],
        },
    ),
    (
        Page[int],
        {
            "type": "object",
            "properties": {"items": {"type": "array", "items": {"type": "integer"}}},
            "required": ["items"],
        },
    ),
    (
        Pair,
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string", "default": "x"}],
            "minItems": 1,
            "maxItems": 2,
        },
    ),
    (Annotated[int, at.Ge(1), at.Lt(5)], {"type": "integer", "minimum": 1, "exclusiveMaximum": 5}),
    (Annotated[int, at.Interval(gt=1, le=5)], {"type": "integer", "exclusiveMinimum": 1, "maximum": 5}),
    (Annotated[int, at.MultipleOf(3)], {"type": "integer", "multipleOf": 3}),
    (Annotated[str, at.Len(1, 3)], {"type": "string", "minLength": 1, "maxLength": 3}),
    (Annotated[list[int], at.MinLen(2)], {"type": "array", "items": {"type": "integer"}, "minItems": 2}),
    (Annotated[str, "What it is"], {"description": "What it is", "type": "string"}),
    (Annotated[str, msgspec.Meta(pattern="^a")], {"type": "string", "pattern": "^a"}),
    (
        Annotated[int | None, at.Ge(1), "Positive"],
        {"description": "Positive", "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
    ),
    (
        Annotated[str | int, at.MinLen(2), at.Ge(3)],
        {"anyOf": [{"type": "string", "minLength": 2}, {"type": "integer", "minimum": 3}]},
    ),
    (Annotated[str, pydantic.Field(min_length=2, pattern="a", description="d")], None),  # type: ignore[list-item]
    (Annotated[int, at.Predicate(lambda n: n > 3), "odd one"], {"description": "odd one", "type": "integer"}),
    (pydantic.PositiveInt, {"type": "integer", "exclusiveMinimum": 0}),
    (Annotated[str, at.doc("Said so")], {"description": "Said so", "type": "string"}),
]
TABLE = [
    (annotation, {"description": "d", "type": "string", "minLength": 2, "pattern": "a"} if schema is None else schema)
    for annotation, schema in TABLE
]


@pytest.mark.parametrize(
    ("annotation", "schema"), TABLE, ids=[repr(annotation)[:60].partition(" at 0x")[0] for annotation, _ in TABLE]
)
def test_an_annotation_becomes_its_schema(annotation: Any, schema: dict[str, Any]) -> None:
    assert schema_for(annotation) == schema


def test_recursion_stands_in_defs_and_the_root_names_its_type() -> None:
    schema = schema_for(Node)
    assert schema["type"] == "object"
    assert schema["$ref"] == "#/$defs/Node"
    assert schema["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


def test_unions_inside_recursive_dataclasses_are_described() -> None:
    schema = schema_for(Drawing)
    drawing = schema["$defs"]["Drawing"]
    assert drawing["properties"]["shapes"]["items"] == {"anyOf": [CIRCLE, SQUARE]}
    assert drawing["properties"]["inner"]["anyOf"][0] == {"$ref": "#/$defs/Drawing"}


def test_tagged_structs_say_their_tag_and_nothing_that_is_not_json_schema() -> None:
    schema = schema_for(Card | Cash)
    assert "discriminator" not in schema
    assert schema["anyOf"][0]["properties"]["type"] == {"type": "string", "enum": ["Card"]}


def test_a_model_is_described_by_pydantic_without_titles_made_of_names() -> None:
    schema = schema_for(Model)
    model = schema["$defs"]["Model"]
    assert model["properties"]["count"] == {"description": "How many", "minimum": 0, "type": "integer"}
    assert model["properties"]["level"] == {"type": "string", "enum": ["low", "mid", "high"], "default": "low"}
    assert "title" not in json.dumps(schema)


class Titled(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(title="A person")

    full_name: str = pydantic.Field(title="Name")
    level: Level = pydantic.Field(Level.LOW, title="How much")
    plain: int = 0


@dataclasses.dataclass
class Labelled:
    age: Annotated[int, msgspec.Meta(title="Your age")]
    size: Annotated[int | None, pydantic.Field(title="Your size")] = None


def test_titles_that_an_author_gave_stay() -> None:
    model = schema_for(Titled)
    assert model["title"] == "A person"
    titles = {name: field.get("title") for name, field in model["properties"].items()}
    assert titles == {"full_name": "Name", "level": "How much", "plain": None}
    assert schema_for(dict[str, Titled], output=True)["additionalProperties"] == schema_for(Titled, output=True)
    own = schema_for(Labelled)
    assert "title" not in own
    assert {name: field["title"] for name, field in own["properties"].items()} == {
        "age": "Your age",
        "size": "Your size",
    }
    assert schema_for(Annotated[Labelled, msgspec.Meta(title="Who")])["title"] == "Who"


@pytest.mark.parametrize(
    ("name", "title", "kept"),
    [
        ("Model", "Model", False),
        ("tests.deep.Model", "Model", False),
        ("tests__deep__Model-Input__1", "Model", False),
        ("Box_int_", "Box[int]", False),
        ("Model", "Mod", True),
        ("Model", "A model", True),
    ],
)
def test_a_title_is_made_of_the_name_or_an_author_s(name: str, title: str, kept: bool) -> None:
    assert ("title" in untitled(name, {"title": title, "type": "object"})) is kept


def test_a_model_named_twice_is_defined_once() -> None:
    schema = schema_for(tuple[Model, list[Model], Level])
    assert list(schema["$defs"]) == ["Model"]


def test_classes_of_one_name_are_told_apart() -> None:
    def another() -> type:
        class Model(pydantic.BaseModel):
            other: "list[Model]"

        Model.model_rebuild(_types_namespace={"Model": Model})
        return Model

    schema = schema_for(tuple[Model, another()])  # type: ignore[misc]
    assert sorted(schema["$defs"]) == ["Model", "Model_2"]
    assert schema["$defs"]["Model_2"]["properties"]["other"]["items"] == {"$ref": "#/$defs/Model_2"}


def test_a_property_named_like_a_keyword_survives() -> None:
    made = dataclasses.make_dataclass("Odd", [("title", str), ("discriminator", int), ("enum", list[int])])
    assert list(schema_for(made)["properties"]) == ["title", "discriminator", "enum"]


def test_schemas_are_the_same_each_time() -> None:
    assert json.dumps(schema_for(Drawing)) == json.dumps(schema_for(Drawing))


def test_what_is_written_is_described_as_written() -> None:
    assert schema_for(decimal.Decimal, output=True) == {"type": "string", "format": "decimal", "pattern": PATTERN}


@pytest.mark.parametrize(
    "annotation", [complex, type, Annotated[int, at.Timezone(None)], dict[str, complex], Circle | complex]
)
def test_what_has_no_schema_is_refused(annotation: Any) -> None:
    with pytest.raises(DefinitionError):
        schema_for(annotation)


def test_a_dataclass_that_names_what_is_not_there_is_refused_by_name() -> None:
    broken = dataclasses.make_dataclass("Broken", [("x", "Nowhere")])
    with pytest.raises(DefinitionError, match=r"Broken.*Nowhere"):
        schema_for(broken)


# What a schema says is what the decoder accepts (S-09).

LEAVES: list[Any] = [
    Any,
    None,
    bool,
    int,
    float,
    str,
    bytes,
    Level,
    Bit,
    Literal["a", "b"],
    Literal[1, 2, "x"],
    Literal[None, True],
    Circle,
    Square,
    Options,
    Money,
    Node,
    Drawing,
    Card | Cash,
    Circle | Square,
    Model,
    Circle | int | list[str],
    Annotated[int, at.Ge(0), at.Lt(10)],
    Annotated[int | None, at.Gt(2)],
    Annotated[str, at.Len(1, 3)],
    Annotated[str, msgspec.Meta(pattern="^[a-c]+$")],
    Annotated[float, pydantic.Field(le=1)],
    Annotated[list[int], at.MinLen(1), at.MaxLen(2)],
    dict[int, int],
    dict[Level, int],
]


def of(origin: Any, *arguments: Any) -> Any:
    return origin[arguments if len(arguments) > 1 else arguments[0]]


ANNOTATIONS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(lambda a: of(list, a)),
        inner.map(lambda a: of(dict, str, a)),
        inner.map(lambda a: a if a is None else of(Optional, a)),
        st.tuples(inner, inner).map(lambda pair: of(tuple, *pair)),
    ),
    max_leaves=3,
)
KEYS = st.sampled_from(
    "a b x radius side level tags value children shapes inner minorUnits currency type number amount".split()
    + "count low 1 -0 01".split()
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 12),
        st.sampled_from([10**20, -(10**25)]),
        st.sampled_from([0.5, 1.5, 1.0, 2.0, -0.5, 1e20, 0.0]),
        st.sampled_from(["", "a", "b", "x", "low", "mid", "YQ==", "abc", "abcd", "Card", "Cash", "1"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=8,
)


def fitting(schema: Any, root: dict[str, Any], draw: Any, depth: int = 0) -> Any:
    """Draw a value that may fit a schema: else almost nothing random would."""
    if not isinstance(schema, dict) or draw(st.integers(0, 9)) == 0 or depth > 4:
        return draw(VALUES)
    if "$ref" in schema:
        return fitting(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, draw, depth + 1)
    if "anyOf" in schema:
        return fitting(draw(st.sampled_from(schema["anyOf"])), root, draw, depth)
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    match schema.get("type"):
        case "object":
            made = {
                name: fitting(inner, root, draw, depth + 1)
                for name, inner in schema.get("properties", {}).items()
                if name in schema.get("required", ()) or draw(st.booleans())
            }
            if "additionalProperties" in schema:
                for name in draw(st.lists(KEYS, max_size=2)):
                    made.setdefault(name, fitting(schema["additionalProperties"], root, draw, depth + 1))
            return made
        case "array":
            prefix = [fitting(inner, root, draw, depth + 1) for inner in schema.get("prefixItems", ())]
            if "prefixItems" in schema:
                return prefix
            return [fitting(schema.get("items", {}), root, draw, depth + 1) for _ in range(draw(st.integers(0, 2)))]
        case "integer":
            return draw(st.integers(-1, 11))
        case "number":
            return draw(st.sampled_from([0.5, 1.5, 3, 0, 1]))
        case "string":
            return draw(st.sampled_from(["a", "ab", "YQ==", "low", "", "abcd"]))
        case "boolean":
            return draw(st.booleans())
        case "null":
            return None
    return draw(VALUES)


def decodes(annotation: Any, value: Any) -> bool:
    from dovetail.server.functions.repair import Repair

    raw = msgspec.json.encode(value)
    decoder = msgspec.json.Decoder(Reader().read(annotation), dec_hook=hook)
    try:
        decoder.decode(raw)
        return True
    except msgspec.ValidationError:
        mended = Repair(schema_for(annotation)).apply(raw, strings=False)
    try:
        if mended is not None:
            decoder.decode(mended)
        return mended is not None
    except msgspec.ValidationError:
        return False


def holds_bytes(annotation: Any) -> bool:
    return "contentEncoding" in json.dumps(schema_for(annotation))


@pytest.mark.req("S-09")
@pytest.mark.timeout(120)
@settings(max_examples=400, deadline=None)
@given(annotation=ANNOTATIONS, data=st.data())
def test_what_a_schema_accepts_is_what_is_decoded(annotation: Any, data: st.DataObject) -> None:
    schema = schema_for(annotation)
    value = fitting(schema, schema, data.draw)
    valid = jsonschema_rs.validator_for(schema).is_valid(value)
    decoded = decodes(annotation, value)
    if holds_bytes(annotation):  # base64 is an annotation to JSON Schema
        assert valid or not decoded
    else:
        assert valid == decoded, (schema, value)


@pytest.mark.parametrize(
    ("annotation", "instead"),
    [
        (collections.deque[int], r"list\[\.\.\.\]"),
        (collections.defaultdict[str, int], r"dict\[\.\.\.\]"),
        (ipaddress.IPv4Address, "str"),
        (list[re.Pattern[str]], "str"),
        (range, "its ends as two integers"),
        (complex, "its parts as two numbers"),
        (threading.Thread, "a dataclass"),
    ],
)
def test_a_class_that_json_has_no_words_for_is_refused_with_what_to_take_instead(annotation: Any, instead: str) -> None:
    with pytest.raises(DefinitionError, match=f"There is no JSON Schema for this: .*; use {instead}"):
        schema_for(annotation)


@pytest.mark.parametrize("key", [bool, None, list[int], tuple[int, int], Annotated[bool, "Yes or no"]])
def test_keys_that_no_name_can_be_read_as_are_refused(key: Any) -> None:
    with pytest.raises(DefinitionError, match=r"names of members are text, which .* cannot be read from; use str"):
        schema_for(dict[key, int])


@pytest.mark.parametrize("bound", [{"lt": 10**20}, {"ge": 2**63}])
@pytest.mark.parametrize(
    "inside", [lambda bounded: bounded, lambda bounded: list.__class_getitem__(bounded), lambda bounded: bounded | str]
)
def test_a_bound_beyond_what_is_counted_names_the_tool_and_the_parameter(bound: Any, inside: Any) -> None:
    def count(limit: Any) -> None: ...

    count.__annotations__["limit"] = inside(Annotated[int, msgspec.Meta(**bound)])
    with pytest.raises(DefinitionError, match=r"count: limit: .* don't fit in an int64 are currently not supported$"):
        Signature.of(count)
