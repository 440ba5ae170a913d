"""Arguments: decoded strictly, mended where that is safe, refused with the place and never the value."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

import annotated_types as at
import jsonschema_rs
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.errors import DefinitionError, InvalidArguments, InvalidParams, InvalidSchema, ToolError
from dovetail.server.calls.context import Context
from dovetail.server.functions.signature import Signature

SECRET = "sk-canary-9f2c"


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclasses.dataclass
class Item:
    name: str
    price: Annotated[float, at.Ge(0)] = 0.0


@dataclasses.dataclass
class Refund:
    reason: Literal["broken", "late"]


class Checked(msgspec.Struct):
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"{self.first} is above {self.last} {SECRET}")
        if self.last > 100:
            raise ToolError("The range ends at 100")


class Model(pydantic.BaseModel):
    count: int = pydantic.Field(ge=0)
    tag: str = pydantic.Field("x", alias="Tag")

    @pydantic.field_validator("tag")
    @classmethod
    def short(cls, tag: str) -> str:
        if len(tag) > 20:
            raise ValueError(f"too long: {tag}")
        return tag


class Shape(TypedDict, total=False):
    side: Annotated[float, at.Gt(0)]


def call(function: Callable[..., Any], arguments: Any, **injected: Any) -> Any:
    signature = Signature.of(function)
    return signature.call(signature.decode(json.dumps(arguments).encode()), injected)


def refusal(function: Callable[..., Any], arguments: Any, **options: Any) -> InvalidArguments:
    with pytest.raises(InvalidArguments) as caught:
        Signature.of(function, **options).decode(json.dumps(arguments).encode())
    return caught.value


def add(a: int, b: int = 2) -> int:
    return a + b


# Strictness, and what is said of a misfit.


def everything(
    number: int = 0,
    share: float = 0.0,
    flag: bool = False,
    level: Level = Level.LOW,
    mode: Literal["calm", "brisk"] = "calm",
    code: Literal[1, 2] = 1,
    text: Annotated[str, at.MinLen(2), msgspec.Meta(pattern="^[a-z]*$")] = "ab",
    items: list[Item] = [],  # noqa: B006
    any_of: Item | Refund | None = None,
    model: Model | None = None,
    checked: Checked | None = None,
    table: dict[str, int] = {},  # noqa: B006
    by_number: dict[int, int] = {},  # noqa: B006
    when: datetime.datetime | None = None,
    day: datetime.date | str | None = None,
    raw: bytes = b"",
    amount: decimal.Decimal = decimal.Decimal(0),
    pair: tuple[int, str] = (1, "a"),
    shape: Shape = {},  # noqa: B006
    size: Annotated[int, at.Predicate(lambda n: n % 2 == 0)] = 0,
) -> None: ...


MISFITS: list[tuple[dict[str, Any], str, str]] = [
    ({"number": SECRET}, "$.number", "expected integer, got string"),
    ({"number": 1.5}, "$.number", "expected integer, got number"),
    ({"number": True}, "$.number", "expected integer, got boolean"),
    ({"number": None}, "$.number", "expected integer, got null"),
    ({"number": [SECRET]}, "$.number", "expected integer, got array"),
    ({"share": SECRET}, "$.share", "expected number, got string"),
    ({"flag": 1}, "$.flag", "expected boolean, got integer"),
    ({"level": SECRET}, "$.level", 'expected one of "low", "high"'),
    ({"mode": SECRET}, "$.mode", 'expected one of "calm", "brisk"'),
    ({"code": 31337}, "$.code", "expected one of 1, 2"),
    ({"text": "S"}, "$.text", "expected string of at least 2 characters and matching ^[a-z]*$"),
    ({"text": SECRET}, "$.text", "expected a text that matches '^[a-z]*$'"),
    ({"items": [{"name": "a"}, {"name": 31337}]}, "$.items[1].name", "expected string, got integer"),
    ({"items": [{"name": "a", "price": -1}]}, "$.items[0].price", "expected number >= 0"),
    ({"items": [{}]}, "$.items[0].name", "required, expected string"),
    ({"items": SECRET}, "$.items", "expected array of object, got string"),
    ({"any_of": {"reason": SECRET}}, "$.any_of.reason", 'expected one of "broken", "late"'),
    ({"any_of": SECRET}, "$.any_of", "expected object or null"),
    ({"model": {"count": SECRET}}, "$.model.count", "expected integer >= 0"),
    ({"model": {"count": -31337}}, "$.model.count", "expected integer >= 0"),
    ({"model": {}}, "$.model.count", "required, expected integer >= 0"),
    ({"model": {"count": 1, "Tag": SECRET * 3}}, "$.model.Tag", "does not pass a check of its type; expected string"),
    (
        {"checked": {"first": 31337, "last": 1}},
        "$.checked",
        "does not pass a check of its type; expected object or null",
    ),
    ({"table": {SECRET: "x"}}, "$.table[...]", "expected integer, got string"),
    ({"by_number": {SECRET: 1}}, "$.by_number", "expected names of members that are string matching ^-?"),
    ({"when": SECRET}, "$.when", "expected string (date-time) or null"),
    ({"day": 31337}, "$.day", "expected string (date) or string or null"),
    ({"raw": "!" + SECRET}, "$.raw", "expected string (base64)"),
    ({"amount": SECRET}, "$.amount", "expected string or number (decimal, such as 12.50)"),
    ({"pair": [1]}, "$.pair", "expected array of at least 2 items and of at most 2 items"),
    ({"pair": ["x", "x"]}, "$.pair[0]", "expected integer, got string"),
    ({"shape": {"side": 0}}, "$.shape.side", "expected number > 0"),
    ({"size": 31337}, "$.size", "does not pass a check of its type; expected integer"),
    ({"nope": SECRET}, "$", "unknown name 'nope'; expected: number, share"),
]


@pytest.mark.req("S-09", "W-12")
@pytest.mark.parametrize(("arguments", "path", "expected"), MISFITS, ids=[str(index) for index in range(len(MISFITS))])
def test_a_misfit_names_the_place_and_what_belongs_there(arguments: Any, path: str, expected: str) -> None:
    error = refusal(everything, arguments)
    assert error.path == path
    assert error.expected.startswith(expected)
    assert error.message == f"{path}: {error.expected}"
    assert SECRET not in str(error)
    assert "31337" not in str(error)
    assert error.__cause__ is None


@pytest.mark.req("W-12")
@given(st.text(min_size=1, max_size=400))
def test_an_unknown_name_is_quoted_and_cut(name: str) -> None:
    def f(a: int = 1) -> None: ...

    if name != "a":
        error = refusal(f, {name: 1})
        assert error.path == "$"
        assert error.expected.isascii()
        assert len(error.expected) < 100


@pytest.mark.parametrize("name", ["x` - at `$.a", "` - at `$", "a` - at `key` in `$.b"])
def test_a_name_cannot_forge_a_place(name: str) -> None:
    def f(a: int = 1) -> None: ...

    assert refusal(f, {name: 1}).path in ("$", "$.a")


def test_what_a_validator_says_on_purpose_reaches_the_model() -> None:
    with pytest.raises(ToolError, match="ends at 100"):
        Signature.of(everything).decode(b'{"checked":{"first":1,"last":101}}')


@pytest.mark.parametrize("raw", [b"", b"nope", b"{", b'{"a":}'])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidArguments) as caught:
        Signature.of(add).decode(raw)
    assert caught.value.path == "$"


@pytest.mark.parametrize("raw", [b"[]", b"null", b"3", b'"x"', b' [{"a":1,"b":2}]'])
def test_what_is_no_object_makes_the_request_malformed_which_no_model_can_mend(raw: bytes) -> None:
    for signature in (Signature.of(add), Signature.of(lambda **rest: None, input_schema={"type": "object"})):
        with pytest.raises(InvalidParams) as caught:
            signature.decode(raw)
        assert not isinstance(caught.value, InvalidArguments)


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        (int, 10**30, 10**30),
        (int, 1.0, 1),
        (int, -2e3, -2000),
        (Literal[1, 2], 2.0, 2),
        (float, 1, 1.0),
        (int | float, 1.0, 1.0),
        (list[int], [1.0, 2], [1, 2]),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (Any, 1.0, 1.0),
    ],
)
def test_numbers_are_what_json_schema_says_they_are(annotation: Any, value: Any, result: Any) -> None:
    def f(x: Any) -> Any:
        return x

    f.__annotations__["x"] = annotation
    found = call(f, {"x": value})
    assert found == result
    assert type(found) is type(result)


def test_parameters_may_have_names_that_a_class_would_mangle() -> None:
    def f(_a: int, __b: int = 1, *, __c__: int = 2) -> Any:
        return _a, __b, __c__

    assert call(f, {"_a": 3}) == (3, 1, 2)
    assert call(f, {"_a": 3, "__b": 4, "__c__": 5}) == (3, 4, 5)
    with pytest.raises(InvalidArguments) as refused:
        call(f, {"_a": 3, "__b": "x"})
    assert refused.value.path == "$.__b"


def test_amounts_are_exact() -> None:
    def f(x: decimal.Decimal) -> Any:
        return x

    signature = Signature.of(f)
    assert str(signature.decode(b'{"x":1.10}')[0]) == "1.10"


# Texts: prompts and templates.


def texts(
    name: str,
    level: Level = Level.LOW,
    mode: Literal["calm", "brisk"] = "calm",
    count: int = 1,
    flag: bool = False,
    share: float = 0.5,
    ids: list[int] | None = None,
    code: Literal[1, 2] = 1,
    day: datetime.date | None = None,
) -> Any:
    return name, level, mode, count, flag, share, ids, code, day


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"name": "5"}, ("5", Level.LOW, "calm", 1, False, 0.5, None, 1, None)),
        (
            {
                "name": "[1]",
                "level": "high",
                "mode": "brisk",
                "count": "12",
                "flag": "true",
                "share": "1",
                "ids": "[1, 2]",
                "code": "2",
                "day": "2026-01-02",
            },
            ("[1]", Level.HIGH, "brisk", 12, True, 1.0, [1, 2], 2, datetime.date(2026, 1, 2)),
        ),
    ],
)
def test_texts_are_read_by_annotation(given: dict[str, str], values: tuple[Any, ...]) -> None:
    assert Signature.of(texts).decode_texts(given) == values


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        ({"name": "x", "count": SECRET}, "$.count", "expected integer, got string"),
        ({"name": "x", "count": "1.5"}, "$.count", "expected integer"),
        ({"name": "x", "count": "007"}, "$.count", "expected integer"),
        ({"name": "x", "mode": SECRET}, "$.mode", 'expected one of "calm", "brisk"'),
        ({"name": "x", "level": SECRET}, "$.level", 'expected one of "low", "high"'),
        ({"name": "x", "flag": "maybe"}, "$.flag", "expected boolean"),
        ({}, "$.name", "required, expected string"),
        ({"name": "x", "other": SECRET}, "$", "unknown name 'other'"),
    ],
)
def test_texts_that_do_not_fit_are_refused_alike(given: dict[str, str], path: str, expected: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        Signature.of(texts).decode_texts(given)
    assert caught.value.path == path
    assert caught.value.expected.startswith(expected)
    assert SECRET not in str(caught.value)


# Verbatim schemas.

VERBATIM = {
    "type": "object",
    "properties": {"a": {"type": "integer", "description": "A"}, "b": {"type": "array", "items": {"type": "number"}}},
    "required": ["a"],
}


@pytest.mark.req("S-09")
def test_a_verbatim_schema_is_sent_as_it_is_and_decides() -> None:
    raw = b'{ "type":"object",   "properties":{"a":{"type":"integer"}}, "required":["a"] }'

    def f(a: int, **rest: Any) -> Any:
        return a, rest

    signature = Signature.of(f, input_schema=raw)
    assert signature.input_schema == raw
    assert signature.call(signature.decode(b'{"a":1,"z":[2]}'), {}) == (1, {"z": [2]})
    with pytest.raises(InvalidArguments) as caught:
        signature.decode(json.dumps({"a": SECRET}).encode())
    assert SECRET not in str(caught.value)


def test_a_verbatim_schema_gives_parameters_and_repair() -> None:
    def f(a: Any, b: Any = None) -> Any:
        return a, b

    signature = Signature.of(f, input_schema=VERBATIM)
    assert [(item.name, item.required, item.description) for item in signature.parameters] == [
        ("a", True, "A"),
        ("b", False, ""),
    ]
    assert signature.call(signature.decode(b'{"a":"5","b":"[1]"}'), {}) == (5, [1])


@pytest.mark.parametrize("name", ["z", "ctx"])
def test_a_name_that_the_function_does_not_take_is_refused(name: str) -> None:
    def f(a: Any, ctx: Context) -> Any:
        return a

    signature = Signature.of(f, input_schema=VERBATIM)
    values = signature.decode(json.dumps({"a": 1, name: 2}).encode())
    with pytest.raises(InvalidArguments, match=name):
        signature.call(values, {"ctx": None})


def test_a_parameter_that_a_verbatim_schema_does_not_require_needs_a_default() -> None:
    def f(a: Any, b: Any) -> None: ...

    with pytest.raises(DefinitionError, match="'b'"):
        Signature.of(f, input_schema=VERBATIM)


def test_a_verbatim_schema_takes_json_only() -> None:
    with pytest.raises(InvalidArguments) as caught:
        Signature.of(lambda **rest: None, input_schema={"type": "object"}).decode(b"nope")
    assert caught.value.path == "$"


def test_a_verbatim_schema_reads_texts_too() -> None:
    signature = Signature.of(lambda **rest: rest, input_schema=VERBATIM)
    for _ in range(2):
        assert signature.call(signature.decode_texts({"a": "5"}), {}) == {"a": 5}


@pytest.mark.parametrize("schema", [{"type": "array"}, {}, b"true"])
def test_a_verbatim_input_schema_is_about_an_object(schema: Any) -> None:
    with pytest.raises(InvalidSchema):
        Signature.of(lambda **rest: None, input_schema=schema)


def test_a_verbatim_schema_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidSchema):
        Signature.of(lambda: None, input_schema={"type": "strange"})


def test_repr_names_the_function_and_its_parameters() -> None:
    assert repr(Signature.of(add)) == "<Signature add(a, b)>"


# Agreement (S-09).

KINDS: list[Any] = [
    int, float, bool, str, Level, Item, Refund, Item | Refund, list[int], dict[str, float], int | None, Model, Shape,
    Literal["a", 1], Annotated[int, at.Ge(0)], Any,
]  # fmt: skip
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-2, 3), st.floats(-2, 2), st.sampled_from(["a", "low", "broken", ""])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["name", "price", "reason", "count", "side", "Tag"]), inner, max_size=3),
    ),
    max_leaves=5,
)


@pytest.mark.req("S-09")
@pytest.mark.timeout(120)
@settings(max_examples=300, deadline=None)
@given(
    kinds=st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=3),
    values=st.dictionaries(st.sampled_from(["p0", "p1", "p2", "p3"]), JSON, max_size=4),
)
def test_arguments_decode_exactly_when_the_input_schema_accepts_them(kinds: Any, values: Any) -> None:
    source = ", ".join(f"p{i}" + ("=None" if optional else "") for i, (_, optional) in enumerate(kinds))
    function = functools.reduce(lambda f, _: f, kinds, _function(source))
    function.__annotations__ = {f"p{i}": kind for i, (kind, _) in enumerate(kinds)}
    signature = Signature.of(function, repair=False)
    valid = jsonschema_rs.validator_for(signature.schema).is_valid(values)
    try:
        signature.decode(msgspec.json.encode(values))
        decoded = True
    except InvalidArguments:
        decoded = False
    assert valid == decoded, (signature.schema, values)


@functools.cache
def _compiled(source: str) -> Any:
    return compile(f"def f(*, {source}): ...", "<test>", "exec")


def _function(source: str) -> Any:
    scope: dict[str, Any] = {}
    exec(_compiled(source), scope)
    return scope["f"]
