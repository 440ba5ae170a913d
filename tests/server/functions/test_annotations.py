"""Annotations: what the decoder cannot read by itself is read by a rule of ours, with its author's meaning."""

import dataclasses
import datetime
import enum
import json
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict

import annotated_types as at
import msgspec
import pydantic
import pytest

from dovetail.errors import DefinitionError, InvalidArguments
from dovetail.server.functions.annotations import Reader
from dovetail.server.functions.decimals import PATTERN
from dovetail.server.functions.results import Returns
from dovetail.server.functions.schemas import schema_for
from dovetail.server.functions.signature import Signature
from dovetail.server.functions.standins import hook

Number = NewType("Number", int)


class Level(enum.Enum):
    LOW = "low"


@dataclasses.dataclass
class Plain:
    a: int
    b: "Plain | None" = None


@dataclasses.dataclass
class Bounded:
    """Text.

    Attributes:
        a: Positive.
    """

    a: Annotated[int, at.Gt(0)]
    b: Level = Level.LOW
    c: list[int] = dataclasses.field(default_factory=lambda: [7])
    d: tuple[int, ...] = (1,)
    e: int = dataclasses.field(init=False, default=5)
    f: "Bounded | None" = None

    def __post_init__(self) -> None:
        self.e = self.a * 2


@dataclasses.dataclass
class Left:
    a: int = 0


@dataclasses.dataclass
class Right:
    a: int = 0
    b: int = 0


class Loose(TypedDict):
    x: Left | Right
    y: NotRequired["Loose"]


class Closed(pydantic.BaseModel, extra="forbid"):
    n: int
    by_name: dict[str, int] = {}
    either: int | list[int] = 0


class Holder(msgspec.Struct):
    model: Closed
    maybe: Closed | None = None


@pydantic.dataclasses.dataclass
class ByPydantic:
    n: pydantic.PositiveInt


def read(annotation: Any, value: Any) -> Any:
    def f(x: Any) -> None: ...

    f.__annotations__["x"] = annotation
    return Signature.of(f).decode(json.dumps({"x": value}).encode())[0]


def refused(annotation: Any, value: Any) -> InvalidArguments:
    with pytest.raises(InvalidArguments) as caught:
        read(annotation, value)
    return caught.value


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        list[int],
        dict[str, Plain],
        Plain,
        Plain | None,
        Level,
        Literal["a"],
        tuple[int, ...],
        Annotated[int, msgspec.Meta(ge=1)],
    ],
)
def test_what_the_decoder_reads_by_itself_is_left_as_it_is(annotation: Any) -> None:
    assert Reader().read(annotation) is annotation


def test_a_dataclass_with_a_bound_is_made_by_its_own_constructor() -> None:
    made = read(Bounded, {"a": 2, "f": {"a": 3, "c": [1]}})
    assert made == Bounded(2, f=Bounded(3, c=[1]))
    assert made.e == 4
    assert made.f.c == [1]
    assert refused(Bounded, {"a": 2, "f": {"a": 0}}).path == "$.x.f.a"
    properties = schema_for(Bounded)["$defs"]["Bounded"]["properties"]
    assert properties["a"] == {"description": "Positive.", "type": "integer", "exclusiveMinimum": 0}
    assert properties["b"]["default"] == "low"
    assert list(properties) == ["a", "b", "c", "d", "f"]


def test_of_several_objects_the_one_that_knows_most_keys_is_taken() -> None:
    assert read(Left | Right, {"a": 1}) == Left(1)
    assert read(Left | Right, {"a": 1, "b": 2}) == Right(1, 2)
    assert read(Left | Right, {"a": 1, "z": 2}) == Left(1)
    assert read(Left | Right | Closed, {"n": 1}) == Closed(n=1)
    assert read(Right | Bounded, {"a": 1, "c": []}) == Bounded(1, c=[])
    assert read(Left | dict[str, str], {"z": "2"}) == {"z": "2"}
    assert read(Left | Loose, {"x": {}}) == {"x": Left()}


def test_typed_dicts_with_such_fields_stay_dicts() -> None:
    assert read(Loose, {"x": {"b": 1}, "y": {"x": {}}}) == {"x": Right(0, 1), "y": {"x": Left()}}
    assert refused(Loose, {}).path == "$.x.x"
    assert schema_for(Loose)["$defs"]["Loose"]["required"] == ["x"]


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (Annotated[int, at.Predicate(lambda n: n > 3)], 4, 3),
        (Annotated[list[at.LowerCase[str]], "words"], ["a"], ["A"]),
        (Annotated[str, pydantic.AfterValidator(lambda s: s.strip())], " a ", 5),
        (Annotated[str, pydantic.StringConstraints(min_length=2, pattern="^a")], "ab", "b"),
        (Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)], " a", " "),
        (Annotated[int, pydantic.Field(ge=1, json_schema_extra={"x": 1})], 1, 0),
        (Annotated[int, pydantic.Field(ge=1, examples=[3])], 1, 0),
        (Annotated[Decimal | None, at.Ge(1)], 2, 0),
        (Annotated[Decimal, at.Interval(gt=0, lt=1), at.MultipleOf(0.25), "d"], "0.75", "NaN"),
        (Annotated[Decimal, at.Le(1)], 1, "1.01"),
        (Annotated[int | None, msgspec.Meta(ge=1)], 1, 0),
        (Annotated[int | None, msgspec.Meta(ge=1)], None, 0),
        (Annotated[int | str, msgspec.Meta(ge=1), msgspec.Meta(max_length=2)], "ab", "abc"),
        (Annotated[int | str, msgspec.Meta(ge=1), msgspec.Meta(max_length=2)], 1, 0),
        (Annotated[Number | None, msgspec.Meta(multiple_of=3)], 3, 4),
        (Annotated[str | None, msgspec.Meta(max_length=3)], "abc", "abcd"),
        (Annotated[str | None, msgspec.Meta(pattern="^a")], "ab", "b"),
        (Annotated[list[int] | None, msgspec.Meta(max_length=1)], [1], [1, 2]),
        (Annotated[datetime.datetime | None, msgspec.Meta(tz=True)], "2026-07-28T09:30:00Z", "2026-07-28T09:30:00"),
        (Annotated[Decimal, msgspec.Meta(ge=1)], "1", "0.9"),
        (Annotated[int, at.Unit("s")], 1, "x"),
        (pydantic.AnyUrl, "https://example.com", "nope"),
        (ByPydantic, {"n": 1}, {"n": 0}),
        (list[ByPydantic], [{"n": 1}], [{"n": 0}]),
        (Holder, {"model": {"n": 1}}, {"model": {"n": "x"}}),
        (Holder, {"model": {"n": 1}, "maybe": {"n": 2}}, {"model": {"n": 1, "z": 1}}),
    ],
)
def test_constraints_of_every_origin_hold(annotation: Any, good: Any, bad: Any) -> None:
    read(annotation, good)
    assert refused(annotation, bad).path.startswith("$.x")


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"n": 1, "z": 2}, "$.x", "unknown name 'z'; expected: n, by_name, either"),
        ({"n": 1, "by_name": {"secret": "x"}}, "$.x.by_name[...]", "expected integer"),
        ({"n": 1, "either": [1, "x"]}, "$.x.either", "expected integer or array of integer"),
        ([], "$.x", "expected object"),
    ],
)
def test_what_pydantic_refuses_is_said_in_our_words(value: Any, path: str, expected: str) -> None:
    error = refused(Closed, value)
    assert (error.path, error.expected) == (path, expected)


def test_examples_and_words_reach_the_schema() -> None:
    assert schema_for(Annotated[int, pydantic.Field(examples=[3], description="d")]) == {
        "description": "d",
        "examples": [3],
        "type": "integer",
    }
    assert schema_for(dict[str, Closed])["additionalProperties"]["properties"]["by_name"]["type"] == "object"


def test_bounds_of_amounts_are_described() -> None:
    assert schema_for(Annotated[Decimal, at.Ge(1), at.Lt(2.5), "Euro"]) == {
        "description": "Euro",
        "minimum": 1,
        "exclusiveMaximum": 2.5,
        "type": ["string", "number"],
        "format": "decimal",
        "pattern": PATTERN,
    }


def test_what_the_decoder_s_own_meta_says_of_a_union_stands_at_its_members_and_its_words_at_the_union() -> None:
    limit = msgspec.Meta(ge=1, title="Limit", description="How many", extra_json_schema={"x-unit": "pieces"})
    assert schema_for(Annotated[int | None, limit]) == {
        "title": "Limit",
        "description": "How many",
        "x-unit": "pieces",
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
    }


@dataclasses.dataclass
class Page:
    limit: Annotated[int | None, msgspec.Meta(ge=1)] = None


def test_a_bound_of_a_union_holds_in_a_field_of_a_class_too() -> None:
    assert read(Page, {"limit": 1}) == Page(1)
    assert refused(Page, {"limit": 0}).path == "$.x.limit"


@pytest.mark.parametrize("bound", [msgspec.Meta(ge=1), at.Ge(1), pydantic.Field(ge=1)])
def test_a_bound_that_is_about_no_member_of_a_union_is_refused_by_name(bound: Any) -> None:
    with pytest.raises(DefinitionError, match="'ge' is about no member of this union"):
        schema_for(Annotated[str | None, bound])


def test_a_constraint_that_cannot_hold_is_refused_by_name() -> None:
    def f(when: Annotated[int, at.Timezone("UTC")]) -> None: ...
    def g(text: Annotated[str, at.Ge(1)]) -> None: ...

    with pytest.raises(DefinitionError, match=r"f: when: .*Timezone"):
        Signature.of(f)
    with pytest.raises(DefinitionError, match="g: "):
        Signature.of(g)


def test_what_pydantic_cannot_describe_is_refused() -> None:
    class Odd(pydantic.BaseModel, arbitrary_types_allowed=True):
        thing: Reader

    with pytest.raises(DefinitionError, match="Pydantic"):
        schema_for(Odd)
    with pytest.raises(DefinitionError, match="Pydantic"):
        schema_for(Annotated[Reader, pydantic.AfterValidator(print)])


def test_the_reason_that_pydantic_gives_is_told() -> None:
    def explain(_source: Any, _handler: Any) -> Any:
        raise ImportError("email-validator is not installed, run `pip install 'pydantic[email]'`\n\nMore elsewhere")

    class Address:
        __get_pydantic_core_schema__ = staticmethod(explain)

    def f(to: Address) -> None: ...

    with pytest.raises(
        DefinitionError, match=r"f: to: Pydantic .*: ImportError: .*run `pip install 'pydantic\[email\]'`$"
    ):
        Signature.of(f)


def test_unknown_metadata_is_ignored() -> None:
    assert schema_for(Annotated[int, object(), 5]) == {"type": "integer"}


def test_a_type_that_only_names_can_reach_is_no_type() -> None:
    def f(x: Any) -> None: ...

    f.__annotations__["x"] = "1 + "
    with pytest.raises(DefinitionError, match="'x' is no type"):
        Signature.of(f)


def test_a_type_without_a_rule_is_not_read() -> None:
    with pytest.raises(ValueError, match="JSON has words"):
        hook(complex, 1)


def test_results_know_local_types_too() -> None:
    @dataclasses.dataclass
    class Local:
        a: Annotated[int, at.Gt(0)]
        b: "Local | None" = None

    def tool() -> "list[Local]":
        return []

    made = Returns.of(tool)
    assert made.output_schema is not None
    assert made.convert([Local(1, Local(2))]).content


def test_a_default_that_is_a_model_is_shown() -> None:
    def f(model: Closed = Closed(n=1)) -> Any:  # noqa: B008
        return model

    signature = Signature.of(f)
    assert signature.schema["properties"]["model"]["default"] == {"n": 1, "by_name": {}, "either": 0}
    assert signature.decode(b"{}") == (Closed(n=1),)
