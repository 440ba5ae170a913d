"""Results: what each value becomes, and that what was promised is what is sent."""

import dataclasses
import datetime
import decimal
import enum
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar

import annotated_types as at
import jsonschema_rs
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from dovetail.errors import DefinitionError, InvalidOutput, InvalidSchema, ToolError
from dovetail.server.functions.media import Audio, File, Image
from dovetail.server.functions.messages import prompt_messages, resource_contents
from dovetail.server.functions.results import Returns, convert_any
from dovetail.wire import (
    CallToolResult,
    GetPromptResult,
    ImageContent,
    PromptMessage,
    ReadResourceResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

SECRET = "sk-canary-9f2c"
PNG = b"\x89PNG\r\n\x1a\n"
T = TypeVar("T")


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclasses.dataclass
class Order:
    id: str
    amount: decimal.Decimal = decimal.Decimal("1.10")
    at: datetime.datetime | None = None
    level: Level = Level.LOW


@dataclasses.dataclass
class Circle:
    radius: Annotated[float, at.Gt(0)]


@dataclasses.dataclass
class Square:
    side: float


class Point(msgspec.Struct, rename="camel"):
    left_x: int


class Options(TypedDict, total=False):
    a: int


class Box(msgspec.Struct, Generic[T]):
    inner: T


class Model(pydantic.BaseModel):
    count: int = pydantic.Field(ge=0, serialization_alias="howMany")
    inner: "Model | None" = None


def returns(annotation: Any) -> Returns:
    def tool() -> Any: ...

    tool.__annotations__["return"] = annotation
    return Returns.of(tool)


def structured(result: CallToolResult) -> Any:
    assert isinstance(result.structured_content, msgspec.Raw)
    data = bytes(result.structured_content)
    text = json.loads(data) if data.startswith(b'"') else data.decode()
    assert result.content == [TextContent(text=text)]
    return json.loads(bytes(result.structured_content))


@pytest.mark.parametrize(
    ("annotation", "value", "content"),
    [
        (int, 5, 5),
        (int, 10**30, 10**30),
        (bool, True, True),
        (float, 1.5, 1.5),
        (float, 1, 1),
        (int | None, None, None),
        (Level, Level.HIGH, "high"),
        (Literal["a", "b"], "a", "a"),
        (dict, {"a": [1]}, {"a": [1]}),
        (dict[str, Any], {"a": None}, {"a": None}),
        (dict[int, str], {1: "a"}, {"1": "a"}),
        (list[int], [1, 2], [1, 2]),
        (list[str], ["a"], ["a"]),
        (set[int], {1}, [1]),
        (tuple[int, str], (1, "a"), [1, "a"]),
        (datetime.date, datetime.date(2026, 1, 2), "2026-01-02"),
        (decimal.Decimal, decimal.Decimal("1.10"), "1.10"),
        (bytes | int, 1, 1),
        (Order, Order("a"), {"id": "a", "amount": "1.10", "at": None, "level": "low"}),
        (Order, {"id": "a"}, {"id": "a"}),
        (Point, Point(1), {"leftX": 1}),
        (Options, {"a": 1}, {"a": 1}),
        (Box[int], Box(1), {"inner": 1}),
        (list[Circle | Square], [Circle(1.0), Square(2.0)], [{"radius": 1.0}, {"side": 2.0}]),
        (Model, Model(count=1), {"howMany": 1, "inner": None}),
        (list[Model], [Model(count=1), Model(count=2)], [{"howMany": 1, "inner": None}, {"howMany": 2, "inner": None}]),
        (Model | None, None, None),
        (Annotated[int, at.Ge(0)], 3, 3),
        (Awaitable[int], 3, 3),
        (str | int, "a", "a"),
    ],
)
def test_a_plain_value_becomes_structured_content_and_its_text(annotation: Any, value: Any, content: Any) -> None:
    made = returns(annotation)
    assert structured(made.convert(value)) == content
    if made.output_schema is not None:
        assert jsonschema_rs.validator_for(json.loads(made.output_schema)).is_valid(content)


BLOCK = ResourceLink(uri="a:b", name="a")


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (None, []),
        ("text", [TextContent(text="text")]),
        ("", [TextContent(text="")]),
        (BLOCK, [BLOCK]),
        (Image(PNG), [ImageContent(data="iVBORw0KGgo=", mime_type="image/png")]),
        (PNG, [ImageContent(data="iVBORw0KGgo=", mime_type="image/png")]),
        ([BLOCK, "text"], [BLOCK, TextContent(text="text")]),
        (("a", Image(PNG), {"b": 1}), [TextContent(text="a"), Image(PNG).content(), TextContent(text='{"b":1}')]),
        ([File(b"x", "text/plain")], [File(b"x", "text/plain").content()]),
    ],
)
@pytest.mark.parametrize(
    "annotation", [Any, None, str, list, list[Any], Image, list[str | Image], bytes, CallToolResult]
)
def test_content_is_content_where_nothing_else_was_promised(annotation: Any, value: Any, content: Any) -> None:
    made = returns(annotation)
    assert made.output_schema is None
    result = made.convert(value)
    assert result.content == content
    assert result.structured_content is UNSET


@pytest.mark.parametrize("value", [5, {"a": 1}, ["a"], [], Order("a"), Model(count=1), 1.5, True])
def test_without_an_annotation_plain_values_are_structured_all_the_same(value: Any) -> None:
    result = Returns.of(lambda: value)
    assert result.output_schema is None
    structured(result.convert(value))


@pytest.mark.parametrize(
    ("annotation", "free"),
    [
        (Any, True),
        (object, True),
        (None, True),
        (str, True),
        (str | None, True),
        (Annotated[str, "text"], True),
        (TextContent, True),
        (list[TextContent], True),
        (TextContent | None, True),
        (list[Image | str], True),
        (tuple[str, Audio], True),
        (int | Image, True),
        (CallToolResult, True),
        (list, True),
        (int, False),
        (list[str], False),
        (dict, False),
        (str | int, False),
        (Literal["a"], False),
    ],
)
def test_only_plain_types_promise_an_output_schema(annotation: Any, free: bool) -> None:
    assert (returns(annotation).output_schema is None) == free


def test_a_whole_result_stays_as_it_is() -> None:
    result = CallToolResult(content=[], meta={"a/b": 1})
    assert convert_any(result) is result


def test_the_output_schema_describes_the_plain_value() -> None:
    assert returns(int).output_schema == b'{"type":"integer"}'
    assert returns(Circle).output_schema == (
        b'{"type":"object","properties":{"radius":{"type":"number","exclusiveMinimum":0}},"required":["radius"]}'
    )


# What does not fit (S-10).


@pytest.mark.req("S-10", "W-12")
@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (int, SECRET, "$"),
        (int, None, "$"),
        (int, True, "$"),
        (int, 1.5, "$"),
        (bool, 1, "$"),
        (float, SECRET, "$"),
        (float, math.nan, "$"),
        (float, math.inf, "$"),
        (list[float], [1.0, math.nan], "$[1]"),
        (dict, [SECRET], "$"),
        (dict[str, int], {"a": SECRET}, "$[...]"),
        (list[int], [1, SECRET], "$[1]"),
        (Literal["a"], SECRET, "$"),
        (Level, SECRET, "$"),
        (Order, Order(31337), "$.id"),  # type: ignore[arg-type]
        (Order, {"name": SECRET}, "$.id"),
        (Order, SECRET, "$"),
        (Circle, Circle(-31337), "$.radius"),
        (list[Circle | Square], [Circle(-31337)], "$[0].radius"),
        (Point, Point(SECRET), "$.leftX"),  # type: ignore[arg-type]
        (Options, {"a": SECRET}, "$.a"),
        (Model, {"count": SECRET}, "$"),
        (Model, Model.model_construct(count=SECRET), "$"),
        (Model, Model.model_construct(count=-31337), "$.howMany"),
        (Annotated[int, at.Ge(0)], -31337, "$"),
        (tuple[int, str], (1,), "$"),
        (int, "x" * 3 + SECRET, "$"),
    ],
)
def test_a_result_that_breaks_its_promise_is_an_error_without_the_value(annotation: Any, value: Any, path: str) -> None:
    with pytest.raises(InvalidOutput) as caught:
        returns(annotation).convert(value)
    assert caught.value.path == path
    assert isinstance(caught.value, ToolError)
    assert SECRET not in str(caught.value)
    assert "31337" not in str(caught.value)


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.req("W-12")
@pytest.mark.parametrize(
    "value",
    [object(), {"a": object()}, {(1, 2): SECRET}, lambda: None, iter([1]), LOOP, "\ud800", ["\ud800"], {"\ud800": 1}],
)
@pytest.mark.parametrize("annotation", [Any, dict, list[Any]])
def test_what_json_has_no_words_for_is_an_error(annotation: Any, value: Any) -> None:
    with pytest.raises(InvalidOutput) as caught:
        returns(annotation).convert(value)
    assert SECRET not in str(caught.value)


@pytest.mark.req("S-10")
def test_a_whole_result_keeps_the_promise_too() -> None:
    convert = returns(Order).convert
    good = CallToolResult(content=[], structured_content=msgspec.Raw(b'{"id":"a"}'))
    assert convert(good) is good
    failed = CallToolResult(content=[], is_error=True)
    assert convert(failed) is failed
    with pytest.raises(InvalidOutput, match="structured content"):
        convert(CallToolResult(content=[]))
    with pytest.raises(InvalidOutput, match=r"\$\.id"):
        convert(CallToolResult(content=[], structured_content=msgspec.Raw(b'{"id":1}')))
    with pytest.raises(InvalidOutput, match="structured content"):
        returns(Model).convert(CallToolResult(content=[]))


def test_dicts_are_made_into_models_where_models_are_promised() -> None:
    assert structured(returns(list[Model]).convert([{"count": 1}])) == [{"howMany": 1, "inner": None}]


@pytest.mark.req("S-10")
def test_a_validator_of_the_user_is_never_quoted() -> None:
    class Picky(msgspec.Struct):
        text: str

        def __post_init__(self) -> None:
            if self.text.startswith("sk"):
                raise RuntimeError(self.text)

    with pytest.raises(InvalidOutput) as caught:
        returns(list[Picky]).convert([{"text": SECRET}])
    assert SECRET not in str(caught.value)


@pytest.mark.req("S-10")
def test_a_verbatim_output_schema_decides() -> None:
    raw = b'{"type":"object","properties":{"a":{"type":"integer","maximum":9}},"required":["a"]}'
    made = Returns.of(lambda: None, output_schema=raw)
    assert made.output_schema == raw
    assert structured(made.convert({"a": 5})) == {"a": 5}
    for value in ({"a": 31337}, {"b": SECRET}, SECRET, None):
        with pytest.raises(InvalidOutput) as caught:
            made.convert(value)
        assert SECRET not in str(caught.value)
        assert "31337" not in str(caught.value)
    assert Returns.of(lambda: None, output_schema={"type": "string"}).output_schema == b'{"type":"string"}'
    with pytest.raises(InvalidSchema):
        Returns.of(lambda: None, output_schema={"type": "strange"})


def test_no_schema_and_no_structure_on_request() -> None:
    def tool() -> Order:
        raise AssertionError

    bare = Returns.of(tool, output_schema=None)
    assert bare.output_schema is None
    structured(bare.convert(Order("a")))
    plain = Returns.of(tool, structured=False)
    assert plain.output_schema is None
    assert plain.convert({"a": 1}) == CallToolResult(content=[TextContent(text='{"a":1}')])
    assert plain.convert("a") == CallToolResult(content=[TextContent(text="a")])


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


def iterates() -> Iterator[int]:
    return iter([1])


class Generates:
    def method(self) -> Any:
        yield 1


@pytest.mark.parametrize("function", [generator, async_generator, iterates, Generates().method])
def test_generators_are_refused_when_they_are_offered(function: Callable[..., Any]) -> None:
    with pytest.raises(DefinitionError, match=function.__name__):
        Returns.of(function)


def test_a_return_type_without_a_schema_is_refused() -> None:
    with pytest.raises(DefinitionError, match="return annotation"):
        returns(complex)


def test_repr_shows_the_promise() -> None:
    assert repr(returns(int)) == '<Returns {"type":"integer"}>'
    assert repr(returns(str)) == "<Returns whatever>"


KINDS: list[Any] = [
    int, float, bool, Level, Order, Circle | Square, list[int], dict[str, float], int | None, Options, Point, Model,
    Literal["a", 1], tuple[int, str], dict, list[Model],
]  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.sampled_from(["a", "low"]), st.just(Level.LOW),
        st.builds(Order, st.sampled_from(["a", 1])), st.builds(Circle, st.floats(-1, 1)),
        st.builds(Point, st.sampled_from([1, "a"])),
        st.builds(Model.model_construct, count=st.sampled_from([1, -1, "x"])),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "id", "side", "count"]), inner, max_size=2)
    ),
    max_leaves=4,
)  # fmt: skip


@pytest.mark.req("S-10")
@settings(deadline=None)
@given(st.sampled_from(KINDS), VALUES)
def test_whatever_is_sent_fits_the_schema_that_was_promised(annotation: Any, value: Any) -> None:
    made = returns(annotation)
    assert made.output_schema is not None
    try:
        result = made.convert(value)
    except InvalidOutput:
        return
    content = structured(result)
    assert jsonschema_rs.validator_for(json.loads(made.output_schema)).is_valid(content)


# Prompts.

USER = PromptMessage(role="user", content=TextContent(text="a"))
MODEL = PromptMessage(role="assistant", content=TextContent(text="b"))


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("a", [USER]),
        (USER, [USER]),
        (["a", MODEL], [USER, MODEL]),
        (("a",), [USER]),
        ([], []),
        ({"role": "assistant", "content": "b"}, [MODEL]),
        ({"content": "a"}, [USER]),
        ([{"role": "user", "content": {"type": "text", "text": "a"}}], [USER]),
        ({"role": "user", "content": TextContent(text="a")}, [USER]),
        (TextContent(text="a"), [USER]),
        (Image(PNG), [PromptMessage(role="user", content=Image(PNG).content())]),
    ],
)
def test_a_prompt_becomes_messages(value: Any, messages: list[PromptMessage]) -> None:
    assert prompt_messages(value, "What") == GetPromptResult(messages=messages, description="What")


def test_a_whole_prompt_result_keeps_its_description() -> None:
    result = GetPromptResult(messages=[USER], description="Mine")
    assert prompt_messages(result, "Other") is result
    assert prompt_messages(GetPromptResult(messages=[USER]), "Other").description == "Other"
    assert prompt_messages(GetPromptResult(messages=[USER])).description is None


@pytest.mark.parametrize(
    "value",
    [
        5,
        None,
        {"role": "system", "content": SECRET},
        {"role": "user"},
        {"role": "user", "content": {"type": SECRET}},
        [USER, 5],
        {"role": "user", "content": "\ud800"},
    ],
)
def test_what_is_no_message_is_refused_without_its_value(value: Any) -> None:
    with pytest.raises(InvalidOutput) as caught:
        prompt_messages(value)
    assert SECRET not in str(caught.value)


# Resources.


@pytest.mark.parametrize(
    ("value", "mime_type", "contents"),
    [
        ("text", None, [("u:1", "text/plain", "text", None)]),
        ("# text", "text/markdown", [("u:1", "text/markdown", "# text", None)]),
        (b"\x00", None, [("u:1", "application/octet-stream", None, "AA==")]),
        (b"\x00", "image/png", [("u:1", "image/png", None, "AA==")]),
        (b"a", "text/plain", [("u:1", "text/plain", "a", None)]),
        ({"a": 1}, None, [("u:1", "application/json", '{"a":1}', None)]),
        (["a", "b"], None, [("u:1", "application/json", '["a","b"]', None)]),
        (5, None, [("u:1", "application/json", "5", None)]),
        (None, None, []),
        ([b"a", "b"], None, [("u:1", "application/octet-stream", None, "YQ=="), ("u:1", "text/plain", "b", None)]),
        (Image(PNG), None, [("u:1", "image/png", None, "iVBORw0KGgo=")]),
        (File(b"a", name="x.txt"), None, [("file:///x.txt", "text/plain", "a", None)]),
        (TextResourceContents("v:2", "t"), None, [("v:2", None, "t", None)]),
        ([TextResourceContents("v:2", "t"), "x"], None, [("v:2", None, "t", None), ("u:1", "text/plain", "x", None)]),
        (Order("a"), None, [("u:1", "application/json", '{"id":"a","amount":"1.10","at":null,"level":"low"}', None)]),
    ],
)
def test_a_resource_becomes_contents(value: Any, mime_type: str | None, contents: list[Any]) -> None:
    result = resource_contents(value, "u:1", mime_type)
    assert [(item.uri, item.mime_type, item.text, item.blob) for item in result.contents] == contents


def test_a_whole_resource_result_stays_as_it_is() -> None:
    result = ReadResourceResult(contents=[])
    assert resource_contents(result, "u:1") is result


@pytest.mark.parametrize("value", [object(), "\ud800", [object(), b""]])
def test_a_resource_that_json_has_no_words_for_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOutput):
        resource_contents(value, "u:1")


@dataclasses.dataclass(slots=True)
class Reading:
    value: float
    note: str | None = None


class Bare(msgspec.Struct):
    value: float | None = None


class Loose(pydantic.BaseModel):
    value: float | None = None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("annotation", "made", "place"),
    [
        (Any, lambda n: n, r"\$"),
        (Any, lambda n: {"a": [None, n]}, r"\$\[...\]\[1\]"),
        (dict, lambda n: {"a": n}, r"\$\[...\]"),
        (dict[str, float | None], lambda n: {SECRET: n}, r"\$\[...\]"),
        (float | None, lambda n: n, r"\$"),
        (list[Reading], lambda n: [Reading(1), Reading(n)], r"\$\[1\].value"),
        (Bare, lambda n: Bare(n), r"\$.value"),
        (Loose, lambda n: Loose(value=n), r"\$.value"),
        (tuple[float, ...] | None, lambda n: (n,), r"\$\[0\]"),
    ],
)
def test_a_number_that_json_does_not_have_is_not_sent_as_null(
    annotation: Any, made: Callable[[float], Any], place: str, number: float
) -> None:
    with pytest.raises(InvalidOutput, match=f"cannot be sent: {place}: expected a finite number"):
        returns(annotation).convert(made(number))


@pytest.mark.parametrize("value", [{"a": None}, Reading(1.5), Bare(), Loose(), ["null"]])
def test_what_is_null_on_purpose_is_sent(value: Any) -> None:
    assert convert_any(value).structured_content is not UNSET


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (Literal["calm", "brisk"], "calm", "calm"),
        (Level, Level.HIGH, "high"),
        (datetime.date, datetime.date(2026, 1, 2), "2026-01-02"),
        (Order | str, 'a "word"', 'a "word"'),
        (list[str], ["a"], '["a"]'),
    ],
)
def test_a_result_that_is_a_text_is_shown_without_the_quotes_of_json(annotation: Any, value: Any, text: str) -> None:
    made = returns(annotation).convert(value)
    assert made.content == [TextContent(text=text)]


def test_what_was_never_declared_is_not_said_to_be() -> None:
    with pytest.raises(InvalidOutput, match=r"cannot be sent: \$: expected what JSON has words for, got object"):
        convert_any(object())
    with pytest.raises(InvalidOutput, match="does not fit what was declared"):
        returns(int).convert("a")


NAIVE = datetime.datetime(2026, 7, 28, 9, 30)
AWARE = NAIVE.replace(tzinfo=datetime.UTC)
NOON = datetime.time(12)


@dataclasses.dataclass
class Meeting:
    at: datetime.datetime
    start: datetime.time = NOON
    note: str = ""


class Booked(pydantic.BaseModel):
    at: datetime.datetime
    start: datetime.time = NOON


@pytest.mark.req("S-10")
@pytest.mark.parametrize(
    ("annotation", "value", "place"),
    [
        (datetime.datetime, NAIVE, "$"),
        (datetime.datetime | None, NAIVE, "$"),
        (list[datetime.datetime], [AWARE, NAIVE], "$[1]"),
        (dict[str, datetime.datetime], {SECRET: NAIVE}, "$[...]"),
        (Meeting, Meeting(NAIVE), "$.at"),
        (list[Meeting], [Meeting(AWARE), Meeting(NAIVE)], "$[1].at"),
        (Booked, Booked(at=NAIVE), "$.at"),
        (list[Booked | int], [1, Booked(at=NAIVE)], "$[1].at"),
        (datetime.datetime, CallToolResult(content=[], structured_content=msgspec.Raw(b'"2026-07-28T09:30:00"')), "$"),
    ],
)
def test_a_time_without_its_offset_is_no_date_time_and_is_not_sent_as_one(
    annotation: Any, value: Any, place: str
) -> None:
    with pytest.raises(InvalidOutput) as refused:
        returns(annotation).convert(value)
    assert (refused.value.path, refused.value.expected) == (place, "expected a time with its offset (RFC 3339)")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (datetime.datetime, AWARE),
        (datetime.datetime, AWARE.astimezone(datetime.timezone(datetime.timedelta(hours=2)))),
        (Annotated[datetime.datetime, msgspec.Meta(tz=False)], NAIVE),
        (datetime.time, NOON),
        (Meeting, Meeting(AWARE, note="2026-07-28T09:30:00")),
        (Booked, Booked(at=AWARE)),
        (dict[str, datetime.datetime | str], {"a": "2026-07-28T09:30:00"}),
    ],
)
def test_times_that_are_sent_have_the_formats_of_the_schema(annotation: Any, value: Any) -> None:
    made = returns(annotation)
    content = structured(made.convert(value))
    assert made.output_schema is not None
    validator = jsonschema_rs.Draft202012Validator(json.loads(made.output_schema), validate_formats=True)
    assert validator.is_valid(content)


def test_a_result_made_by_hand_whose_content_is_none_is_an_error_that_names_the_place() -> None:
    def tool() -> CallToolResult:
        return CallToolResult(content=["hi"])  # type: ignore[list-item]

    with pytest.raises(InvalidOutput, match=r"content\[0\]: a content block, not str"):
        Returns.of(tool).convert(tool())
