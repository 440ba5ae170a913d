"""Forms: what a type looks like as a form, which answers fit it, and the value that comes back."""

import enum
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Required, TypedDict
from uuid import UUID

import annotated_types as at
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail import Ask, Depends, Server
from dovetail.errors import DefinitionError, InvalidArguments
from dovetail.revisions import NEWEST, REVISIONS
from dovetail.server.functions.elicited import form_of
from dovetail.wire import ElicitRequestParams, ElicitResult, encode


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Trip:
    name: str
    note: str | None
    level: Level
    size: Literal[1, 2] = 1
    color: Color | None = None
    day: date | None = None
    levels: list[Level] = field(default_factory=lambda: [Level.LOW])


def sent(schema: Any, version: Any = NEWEST) -> Any:
    params = ElicitRequestParams(message="?", requested_schema=form_of(schema).schema)
    return msgspec.json.decode(encode(params, version))["requestedSchema"]


def read(schema: Any, **content: Any) -> Any:
    return form_of(schema).read(ElicitResult(action="accept", content=content)).value


def problem(schema: Any, **content: Any) -> str:
    with pytest.raises(InvalidArguments) as refused:
        read(schema, **content)
    return str(refused.value)


def test_a_field_that_may_be_none_need_not_be_filled_in_whether_it_has_a_default_or_not() -> None:
    form = sent(Trip)
    assert form["required"] == ["name", "level"]
    assert form["properties"]["note"] == {"type": "string"}
    assert form["properties"]["day"] == {"type": "string", "format": "date"}
    assert form["properties"]["color"] == {"type": "string", "enum": ["red", "blue"]}
    trip = read(Trip, name="a", level="2")
    assert trip == Trip("a", None, Level.HIGH)
    assert read(Trip, name="a", level="1", note="b", color="red", day="2026-07-28") == Trip(
        "a", "b", Level.LOW, color=Color.RED, day=date(2026, 7, 28)
    )


@pytest.mark.parametrize(
    ("annotation", "answer", "value"),
    [
        (int | None, 3, 3),
        (date | None, "2026-07-28", date(2026, 7, 28)),
        (Literal["a", None], "a", "a"),
        (Level | None, "2", Level.HIGH),
        (Annotated[int, msgspec.Meta(ge=1)] | None, 1, 1),
    ],
)
def test_one_value_may_be_optional_too(annotation: Any, answer: Any, value: Any) -> None:
    assert "required" not in sent(annotation)
    assert read(annotation, value=answer) == value
    assert read(annotation) is None


class Model(pydantic.BaseModel):
    n: int = pydantic.Field(3, ge=1)
    note: str | None
    level: Level = Level.LOW


class Some(TypedDict, total=False):
    a: Required[int | None]
    b: str


def test_models_and_typed_dicts_have_optional_fields_and_choices_as_well() -> None:
    assert sent(Model).get("required") is None
    assert read(Model, level="2") == Model(n=3, note=None, level=Level.HIGH)
    assert sent(Some).get("required") is None
    assert read(Some) == {"a": None}
    assert read(Some, a=1, b="x") == {"a": 1, "b": "x"}
    assert read(Trip | None, name="a", level="1").name == "a"


def test_choices_that_are_no_text_are_offered_as_text_and_read_back() -> None:
    assert sent(Literal[1, 2])["properties"]["value"] == {"type": "string", "enum": ["1", "2"]}
    assert read(Literal[1, 2], value="2") == 2
    assert "choices" in problem(Literal[1, 2], value="3")
    titled = [{"const": "1", "title": "LOW"}, {"const": "2", "title": "HIGH"}]
    assert sent(Level)["properties"]["value"] == {"type": "string", "oneOf": titled}
    assert read(Level, value="2") is Level.HIGH
    assert sent(list[Level])["properties"]["value"]["items"] == {"anyOf": titled}
    assert read(list[Level], value=["2", "1"]) == [Level.HIGH, Level.LOW]
    assert read(Literal["a", 1, True], value="true") is True
    assert sent(Trip)["properties"]["levels"] == {"type": "array", "items": {"anyOf": titled}}
    several = {"properties": {"n": {"type": "array", "items": {"enum": [1, 2]}, "default": [1]}}}
    said = {"type": "array", "items": {"type": "string", "enum": ["1", "2"]}, "default": ["1"]}
    assert sent(several)["properties"]["n"] == said
    described = {"properties": {"n": {"type": "integer", "enum": [1, 2], "default": 2}}}
    assert sent(described)["properties"]["n"] == {"type": "string", "enum": ["1", "2"], "default": "2"}
    assert read(described, n="2") == {"n": 2}
    with pytest.raises(DefinitionError, match="alike"):
        form_of(Literal["1", 1])


def test_titles_of_choices_are_said_as_each_revision_says_them() -> None:
    older = next(revision for revision in REVISIONS if revision.elicitation and not revision.multi_select)
    said = sent(Level, older)["properties"]["value"]
    assert said == {"type": "string", "enum": ["1", "2"], "enumNames": ["LOW", "HIGH"]}


@pytest.mark.parametrize(
    "annotation",
    [
        list[str],
        dict[str, int],
        int | str,
        make_dataclass("Outer", [("inner", Trip)]),
        {"properties": {"a": {"type": "object"}}},
        {"properties": {"a": 5}},
    ],
)
def test_what_a_form_has_no_words_for_is_refused(annotation: Any) -> None:
    with pytest.raises(DefinitionError):
        form_of(annotation)


# Answers.

ALL = {
    "properties": {
        "mail": {"type": "string", "format": "email"},
        "page": {"type": "string", "format": "uri"},
        "day": {"type": "string", "format": "date"},
        "time": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2},
        "more": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        "n": {"type": "integer", "minimum": 1, "maximum": 5},
        "x": {"type": "number"},
        "ok": {"type": "boolean"},
        "text": {"type": "string", "minLength": 1, "maxLength": 3},
    }
}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "mail",
            ["a@b.c", "a.b+c@localhost"],
            ["a", "@b", "a@", "a b@c", "a@b@c", "a@b..c", "a@" + "b." * 200, 5],
        ),
        ("page", ["https://a.b/c?d#e", "urn:a:b", "mailto:a@b"], ["a", "/a", "https://a b", "http:", "x:%zz", "ä:b"]),
        ("day", ["2026-02-28"], ["2026-02-29", "20260228", "2026-W01-1", "2026-2-8", "x", "٢٠٢٦-٠١-٠١"]),
        (
            "time",
            ["2026-07-28T10:00:00Z", "2026-07-28t10:00:00.123456789+02:00", "2026-06-30T23:59:60Z"],
            ["2026-07-28", "2026-07-28T10:00:00", "2026-07-28T25:00:00Z", "2026-07-28 10:00:00Z", "x"],
        ),
        ("tags", [["a"], ["a", "b"], []], [["a", "a"], ["c"], "a", ["a", 1]]),
        ("more", [["a", "a"]], [["c"]]),
        ("n", [1, 5], [0, 6, 1.5, "1", True]),
        ("x", [1, 1.5, -2], ["1", True, False]),
        ("ok", [True, False], [1, "true"]),
        ("text", ["a", "abc"], ["", "abcd", 1]),
    ],
)
def test_an_answer_is_checked_against_all_that_its_field_says(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert read(ALL, **{name: value}) == {name: value}
    for value in bad:
        said = problem(ALL, **{name: value})
        assert said.startswith(f"content.{name}: expected ")
        assert str(value) not in said or len(str(value)) < 2


def test_a_number_without_a_fraction_is_an_integer() -> None:
    assert read(int, value=1.0) == 1
    assert type(read(int, value=1.0)) is int
    assert type(read(ALL, n=2.0)["n"]) is int
    assert "expected an integer" in problem(int, value=1.5)


@given(
    st.text(max_size=40) | st.floats(allow_nan=False) | st.booleans() | st.integers() | st.lists(st.text(max_size=3))
)
def test_whatever_is_answered_is_read_or_refused_in_words(value: Any) -> None:
    for name in ALL["properties"]:
        try:
            assert name in read(ALL, **{name: value})
        except InvalidArguments as refused:
            assert refused.path == f"content.{name}"


def test_a_time_comes_back_as_a_time() -> None:
    assert read(datetime, value="2026-07-28T10:00:00Z") == datetime.fromisoformat("2026-07-28T10:00:00+00:00")
    assert "content.value" in problem(datetime, value="2026-07-28")


# Declared questions are looked at when they are declared.


def test_a_declared_question_that_has_no_form_is_refused_where_it_is_declared() -> None:
    app = Server("forms")

    async def listed(names: Annotated[list[str], Ask("Which?")]) -> str:
        return ""

    async def secret(form: Annotated[Any, Ask("Which?")], key: Annotated[int | str, Ask("Which?")]) -> str:
        return ""

    async def dependency(names: Annotated[dict[str, int], Ask("Which?")]) -> str:
        return ""

    async def depending(value: Annotated[str, Depends(dependency)]) -> str:
        return value

    async def fine(branch: Annotated[Trip | None, Ask("Which?")], n: Annotated[int | None, Ask("n?")]) -> str:
        return ""

    with pytest.raises(DefinitionError, match=r"listed.*names"):
        app.add_tool(listed)
    with pytest.raises(DefinitionError, match="secret"):
        app.add_tool(secret)
    with pytest.raises(DefinitionError, match=r"dependency.*names"):
        app.add_tool(depending)
    app.add_tool(fine)


@pytest.mark.req("S-26")
def test_a_declared_question_whose_parameter_names_a_secret_is_refused_where_it_is_declared() -> None:
    app = Server("forms")

    async def one(password: Annotated[str, Ask("Your password?")]) -> str:
        return ""

    async def dependency(api_key: Annotated[str | None, Ask("Which key?")]) -> str:
        return ""

    async def depending(value: Annotated[str, Depends(dependency)]) -> str:
        return value

    async def fine(
        token_count: Annotated[int, Ask("How many?")], password_reset: Annotated[Trip, Ask("Where?")]
    ) -> str:
        return ""

    with pytest.raises(DefinitionError, match=r"one: 'password' .*elicit_url"):
        app.add_tool(one)
    with pytest.raises(DefinitionError, match=r"dependency: 'api_key' .*elicit_url"):
        app.add_tool(depending)
    app.add_tool(fine)  # the second asks for the fields of a form, which are named themselves


ID = "12345678-1234-5678-1234-567812345678"


@dataclass
class Order:
    id: Annotated[UUID, msgspec.Meta(description="Your order")]
    at: time
    code: Annotated[str, msgspec.Meta(pattern="^[a-z]{3}$")]
    count: Annotated[int, msgspec.Meta(gt=0)] = 1

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ValueError("CANARY")


class Reviewed(pydantic.BaseModel):
    id: UUID
    count: int = pydantic.Field(default=1, gt=0, description="How many?")

    @pydantic.field_validator("count")
    @classmethod
    def _lucky(cls, count: int) -> int:
        if count == 13:
            raise ValueError("CANARY")
        return count


WRITTEN = {
    "type": "object",
    "properties": {"code": {"type": "string", "pattern": "^[a-z]{3}$"}, "n": {"type": "number", "multipleOf": 2}},
}


def test_what_is_checked_and_a_form_has_no_keyword_for_stands_in_the_description() -> None:
    def said(schema: Any) -> dict[str, str]:
        return {name: field.get("description", "") for name, field in sent(schema)["properties"].items()}

    assert said(Order) == {
        "id": "Your order (expected: string (UUID))",
        "at": "Expected: string (time such as 09:30:00)",
        "code": "Expected: string matching ^[a-z]{3}$",
        "count": "Expected: integer > 0",
    }
    assert said(Reviewed) == {"id": "Expected: string (UUID)", "count": "How many? (expected: integer > 0)"}
    assert said(WRITTEN) == {
        "code": "Expected: string matching ^[a-z]{3}$",
        "n": "Expected: number a multiple of 2",
    }
    assert said(UUID | None) == {"value": "Expected: string (UUID)"}
    assert said(date) == {"value": ""}  # "format" says it
    for version in REVISIONS:
        if version.elicitation:
            assert "UUID" in sent(UUID, version)["properties"]["value"]["description"]


@pytest.mark.parametrize(
    ("schema", "content", "expected"),
    [
        (UUID, {"value": "hello"}, "content.value: expected string (uuid)"),
        (UUID | None, {"value": "hello"}, "content.value: expected string (uuid)"),
        (timedelta, {"value": "an hour"}, "content.value: expected string (duration)"),
        (Order, {"id": "hello", "at": "12:00:00", "code": "abc"}, "content.id: expected string (uuid)"),
        (Order, {"id": ID, "at": "noon", "code": "abc"}, "content.at: expected string (time)"),
        (Order, {"id": ID, "at": "12:00:00", "code": "CANARY"}, "content.code: expected"),
        (Order, {"id": ID, "at": "12:00:00", "code": "abc", "count": 0}, "content.count: expected"),
        (Order, {"id": ID, "at": "12:00:00", "code": "abc", "count": 13}, "content: does not pass a check of its type"),
        (Reviewed, {"id": "hello"}, "content.id: expected string (uuid)"),
        (Reviewed, {"id": ID, "count": 0}, "content.count: expected integer > 0"),
        (Reviewed, {"id": ID, "count": 13}, "content.count: does not pass a check of its type; expected integer > 0"),
        (WRITTEN, {"code": "CANARY"}, "content.code: expected"),
        (WRITTEN, {"n": 3}, "content.n: expected"),
    ],
)
def test_an_answer_that_does_not_fit_is_told_by_its_field_and_what_belongs_there(
    schema: Any, content: dict[str, Any], expected: str
) -> None:
    said = problem(schema, **content)
    assert said.startswith(expected)
    assert not any(value in said for value in ("hello", "CANARY"))


def test_an_answer_that_goes_by_the_description_is_read() -> None:
    order = Order(UUID(ID), time(12), "abc")
    assert read(Order, id=ID, at="12:00:00", code="abc") == order
    assert read(WRITTEN, code="abc", n=4) == {"code": "abc", "n": 4}
    assert read(Reviewed, id=ID) == Reviewed(id=UUID(ID))


def test_a_type_of_several_kinds_is_refused_in_words() -> None:
    with pytest.raises(DefinitionError, match="must be a string, number, boolean, or a choice"):
        form_of(int | str)


@dataclass
class Payment:
    amount: Annotated[Decimal, at.Gt(0), at.MultipleOf(Decimal("0.5"))]
    tip: Annotated[Decimal | None, "What is on top."] = None
    share: Decimal = Decimal("1.50")


def test_a_decimal_is_asked_for_as_text_and_read_exactly() -> None:
    fields = sent(Payment)["properties"]
    assert fields["amount"] == {
        "type": "string",
        "description": "Expected: a decimal number such as 12.50 > 0 and a multiple of 0.5",
    }
    assert fields["tip"] == {
        "type": "string",
        "description": "What is on top. (expected: a decimal number such as 12.50)",
    }
    assert sent(Payment)["required"] == ["amount"]
    assert read(Payment, amount="12.50", tip="0.1") == Payment(Decimal("12.50"), Decimal("0.1"))
    assert read(Decimal, value="1.10") == Decimal("1.10")


@pytest.mark.parametrize("text", ["NaN", "1_000", "1e9999", "-1", "0.7"])
def test_what_is_no_such_decimal_is_told_by_its_field(text: str) -> None:
    said = problem(Payment, amount=text)
    assert "content.amount" in said
    assert text not in said


def test_a_plain_decimal_in_a_form_is_one_of_json() -> None:
    assert problem(Payment, amount="1", tip="NaN") == "content.tip: expected a decimal number such as 12.50"
    assert problem(Decimal, value="Infinity") == "content.value: expected a decimal number such as 12.50"


TEXT = {"type": "string"}


def written(**field: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": field}}


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "array"}, "properties"),
        ({"type": "object"}, "properties"),
        ({**written(**TEXT), "required": ["zz"]}, "'zz'"),
        (written(**TEXT, enum=[]), "'a' has no choices"),
        (written(**TEXT, enum=["a", "b"], enumNames=["A"]), "enumNames"),
        (written(type="integer", minimum=5, maximum=1), "minimum is above maximum"),
    ],
)
def test_a_schema_that_would_be_asked_otherwise_than_it_was_written_is_refused(schema: Any, named: str) -> None:
    with pytest.raises(DefinitionError, match=named):
        form_of(schema)


@pytest.mark.req("S-26")
@pytest.mark.parametrize("said", [{"title": "Password"}, {"format": "password"}])
def test_a_schema_that_says_in_any_way_that_it_asks_for_a_secret_is_refused(said: dict[str, str]) -> None:
    with pytest.raises(DefinitionError, match="elicit_url"):
        form_of(written(**TEXT, **said))


@dataclass
class Guest:
    age: Annotated[int, pydantic.Field(title="Your age")]
    nick: Annotated[str | None, msgspec.Meta(title="Nickname")] = None


def test_a_title_is_the_label_of_its_field() -> None:
    properties = sent(Guest)["properties"]
    assert {name: field.get("title") for name, field in properties.items()} == {"age": "Your age", "nick": "Nickname"}
    assert sent(Annotated[int, msgspec.Meta(title="How many?")])["properties"]["value"]["title"] == "How many?"


def test_a_label_does_not_ask_for_a_secret_either() -> None:
    with pytest.raises(DefinitionError, match="must not ask for 'Password'"):
        form_of(Annotated[str, msgspec.Meta(title="Password")])
