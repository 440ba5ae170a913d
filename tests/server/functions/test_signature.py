"""Signatures: functions of every shape, read once; arguments decoded strictly; errors that never hold a value."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import json
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import annotated_types as at
import pydantic
import pytest

from dovetail.errors import DefinitionError, InvalidArguments, InvalidSchema
from dovetail.server.calls.context import Context
from dovetail.server.functions.markers import Ask, Complete, Depends, Header
from dovetail.server.functions.signature import Injected, Signature, dependencies_of

if TYPE_CHECKING:
    from nowhere import Nothing  # type: ignore[import-not-found]


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclasses.dataclass
class Item:
    name: str
    price: Annotated[float, at.Ge(0)] = 0.0


def call(function: Callable[..., Any], arguments: Any, **injected: Any) -> Any:
    signature = Signature.of(function)
    return signature.call(signature.decode(json.dumps(arguments).encode()), injected)


def refusal(function: Callable[..., Any], arguments: Any, **options: Any) -> InvalidArguments:
    with pytest.raises(InvalidArguments) as caught:
        Signature.of(function, **options).decode(json.dumps(arguments).encode())
    return caught.value


# Shapes of functions.


def add(a: int, b: int = 2) -> int:
    return a + b


def place(a: int, /, b: int, *, c: int = 3) -> tuple[int, int, int]:
    return a, b, c


class Service:
    """A service."""

    def method(self, a: int) -> Any:
        return "method", a

    @classmethod
    def made(cls, a: int) -> Any:
        return cls.__name__, a

    @staticmethod
    def plain(a: int) -> Any:
        return "plain", a

    def __call__(self, a: int) -> Any:
        """Say it.

        Args:
            a: What.
        """
        return "called", a


@functools.wraps(add)
def wrapped(*args: Any, **kwargs: Any) -> int:
    return add(*args, **kwargs) * 10


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (add, {"a": 1}, 3),
        (add, {"b": 5, "a": 1}, 6),
        (place, {"a": 1, "b": 2}, (1, 2, 3)),
        (place, {"a": 1, "b": 2, "c": 4}, (1, 2, 4)),
        (Service().method, {"a": 1}, ("method", 1)),
        (Service.made, {"a": 1}, ("Service", 1)),
        (Service.plain, {"a": 1}, ("plain", 1)),
        (Service(), {"a": 1}, ("called", 1)),
        (functools.partial(add, 4), {}, 6),
        (functools.partial(add, 4), {"b": 1}, 5),
        (functools.partial(place, 7, c=9), {"b": 1}, (7, 1, 9)),
        (functools.partial(add, b=9), {"a": 1}, 10),
        (wrapped, {"a": 1}, 30),
        (Item, {"name": "x"}, Item("x")),
        (lambda: 7, {}, 7),
        (lambda x: x, {"x": [1, "a", None]}, [1, "a", None]),
    ],
)
def test_functions_of_every_shape_are_called(function: Any, arguments: Any, result: Any) -> None:
    assert call(function, arguments) == result


async def test_an_async_function_makes_a_coroutine() -> None:
    async def add(a: int, b: int) -> int:
        return a + b

    class Caller:
        async def __call__(self) -> int:
            return 1

    assert Signature.of(add).is_async
    assert Signature.of(functools.partial(add, 1)).is_async
    assert Signature.of(Caller()).is_async
    assert not Signature.of(Service()).is_async
    assert not Signature.of(Item).is_async
    assert await call(add, {"a": 1, "b": 2}) == 3


def test_what_a_partial_has_fixed_by_name_is_not_for_callers() -> None:
    signature = Signature.of(functools.partial(add, b=9))
    assert [parameter.name for parameter in signature.parameters] == ["a"]
    assert refusal(functools.partial(add, b=9), {"a": 1, "b": 2}).path == "$"


@pytest.mark.parametrize("function", [lambda *args: None, lambda **rest: None, print, iter])
def test_parameters_without_a_name_are_refused(function: Any) -> None:
    with pytest.raises(DefinitionError):
        Signature.of(function)


def test_a_parameter_without_a_schema_is_refused_by_name() -> None:
    def bad(fine: int, odd: complex) -> None: ...

    with pytest.raises(DefinitionError, match=r"bad.*complex"):
        Signature.of(bad)


def test_annotations_that_are_strings_find_local_types() -> None:
    @dataclasses.dataclass
    class Local:
        value: int
        next: Local | None = None

    def by_closure(item: Local) -> Any:
        return item

    def by_frame(item: list[Other]) -> Any:
        return item

    @dataclasses.dataclass
    class Other:
        value: int

    assert call(by_closure, {"item": {"value": 1, "next": {"value": 2}}}) == Local(1, Local(2))
    assert call(by_frame, {"item": [{"value": 1}]}) == [Other(1)]


def test_an_annotation_that_does_not_resolve_is_refused_by_name() -> None:
    def bad(item: Nothing) -> None: ...

    with pytest.raises(DefinitionError, match=r"'item'.*'Nothing'"):
        Signature.of(bad)


def test_a_local_name_hides_a_global_one() -> None:
    @dataclasses.dataclass
    class Item:
        local: int

    def take(item: Item) -> Any:
        return item

    assert call(take, {"item": {"local": 1}}) == Item(1)


def test_the_return_annotation_need_not_resolve() -> None:
    def fine(a: int) -> Nothing: ...

    assert Signature.of(fine).decode(b'{"a":1}') == (1,)


# The schema.


def documented(
    order_id: str,
    items: list[Item],
    level: Annotated[Level, "How urgent"] = Level.LOW,
    limit: int | None = None,
    tags: tuple[str, ...] = ("a",),
    when: datetime.datetime = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    opaque: Any = print,
) -> None:
    """Do it.

    Args:
        order_id: An id.
        level: Not this one.
        limit: At most.
    """


def test_the_input_schema_is_whole() -> None:
    assert json.loads(Signature.of(documented).input_schema) == {
        "type": "object",
        "properties": {
            "order_id": {"type": "string", "description": "An id."},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "price": {"type": "number", "minimum": 0, "default": 0.0},
                    },
                    "required": ["name"],
                },
            },
            "level": {"type": "string", "enum": ["low", "high"], "description": "How urgent", "default": "low"},
            "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "At most.", "default": None},
            "tags": {"type": "array", "items": {"type": "string"}, "default": ["a"]},
            "when": {"type": "string", "format": "date-time", "default": "2026-01-01T00:00:00Z"},
            "opaque": {},
        },
        "required": ["order_id", "items"],
        "additionalProperties": False,
    }


def test_no_parameters_is_an_object_with_nothing_in_it() -> None:
    schema = Signature.of(lambda: None).input_schema
    assert schema == b'{"type":"object","properties":{},"additionalProperties":false}'


def test_what_several_parameters_share_is_defined_once() -> None:
    def f(a: Item, b: list[Item]) -> None: ...

    schema = json.loads(Signature.of(f).input_schema)
    assert schema["properties"]["a"] == {"$ref": "#/$defs/Item"}
    assert list(schema["$defs"]) == ["Item"]


def test_a_prompt_describes_its_arguments() -> None:
    arguments = Signature.of(documented).prompt_arguments
    assert [(item.name, item.description, item.required) for item in arguments[:4]] == [
        ("order_id", "An id.", True),
        ("items", None, True),
        ("level", "How urgent", None),
        ("limit", "At most.", None),
    ]


def test_a_header_is_declared_and_its_rules_are_kept() -> None:
    def good(region: Annotated[str, Header("Region")], level: Annotated[Level, Header("Level")]) -> None: ...
    def twice(a: Annotated[str, Header("X")], b: Annotated[str, Header("x")]) -> None: ...
    def number(a: Annotated[float, Header("X")]) -> None: ...
    def unsafe(a: Annotated[str, Header("X\r\nY")]) -> None: ...

    signature = Signature.of(good)
    assert json.loads(signature.input_schema)["properties"]["region"] == {"type": "string", "x-mcp-header": "Region"}
    assert [parameter.header for parameter in signature.parameters] == ["Region", "Level"]
    for bad in (twice, number, unsafe):
        with pytest.raises(InvalidSchema):
            Signature.of(bad)


@pytest.mark.req("S-27")
def test_a_secret_is_never_mirrored_into_a_header() -> None:
    def f(api_key: Annotated[str, Header("Key")]) -> None: ...

    with pytest.raises(DefinitionError, match="'api_key' looks like a secret"):
        Signature.of(f)


def test_completions_are_found() -> None:
    marker = Complete(["a", "b"])

    def f(topic: Annotated[str, marker], other: str) -> None: ...

    assert [parameter.complete for parameter in Signature.of(f).parameters] == [marker, None]


def test_a_default_of_none_makes_null_an_answer() -> None:
    def f(limit: int = None) -> Any:  # type: ignore[assignment]  # noqa: RUF013
        return limit

    assert call(f, {"limit": None}) is None
    assert call(f, {}) is None


def test_the_default_is_the_object_in_the_signature() -> None:
    marker: dict[str, int] = {}

    def f(options: dict[str, int] = marker) -> Any:
        return options

    assert call(f, {}) is marker


def test_a_pydantic_field_as_a_default_is_read_as_such() -> None:
    def f(
        limit: int = pydantic.Field(5, ge=1, description="At most"),
        name: str = pydantic.Field(min_length=2),
        tags: list[str] = pydantic.Field(default_factory=list),  # noqa: B008
    ) -> Any:
        return limit, name, tags

    schema = json.loads(Signature.of(f).input_schema)
    assert schema["properties"]["limit"] == {"description": "At most", "type": "integer", "minimum": 1, "default": 5}
    assert schema["required"] == ["name"]
    assert call(f, {"name": "ab"}) == (5, "ab", [])
    assert refusal(f, {"name": "a"}).expected == "expected string of at least 2 characters"


# What is injected.


def open_db() -> str:
    return "db"


def test_what_is_injected_is_listed_and_not_in_the_schema() -> None:
    depends, ask = Depends(open_db), Ask("Which?")

    def f(
        ctx: Context,
        db: Annotated[str, depends],
        a: int,
        level: Annotated[Level, ask],
        maybe: Context | None = None,
        other: str = depends,  # type: ignore[assignment]
    ) -> Any:
        return ctx, db, a, level, maybe, other

    signature = Signature.of(f)
    assert [parameter.name for parameter in signature.parameters] == ["a"]
    assert signature.injected == (
        Injected("ctx", "context", None, Context),
        Injected("db", "depends", depends, str),
        Injected("level", "ask", ask, Level),
        Injected("maybe", "context", None, Context | None),
        Injected("other", "depends", depends, str),
    )
    values = signature.decode(b'{"a":1}')
    given = {"ctx": 1, "db": 2, "level": 3, "maybe": 4, "other": 5}
    assert signature.call(values, given) == (1, 2, 1, 3, 4, 5)


@pytest.mark.req("S-09")
@pytest.mark.parametrize("name", ["ctx", "db"])
def test_callers_cannot_give_what_is_injected(name: str) -> None:
    def f(ctx: Context, db: Annotated[str, Depends(open_db)], a: int = 1) -> None: ...

    assert "unknown name" in refusal(f, {name: 1}).expected


def context_last(a: int, b: int, ctx: Context) -> Any:
    return a, b, ctx


def context_first(ctx: Context, a: int, b: int = 2) -> Any:
    return a, b, ctx


def context_by_place(ctx: Context, a: int, /, b: int = 2) -> Any:
    return a, b, ctx


def context_by_name(a: int, *, b: int = 2, ctx: Context) -> Any:
    return a, b, ctx


@pytest.mark.parametrize("function", [context_last, context_first, context_by_place, context_by_name])
def test_injected_values_find_their_place(function: Any) -> None:
    assert call(function, {"a": 1, "b": 3}, ctx="c") == (1, 3, "c")


def test_who_registers_may_say_what_is_injected() -> None:
    def f(a: int, b: bytes) -> None: ...

    signature = Signature.of(f, injected=lambda annotation: ("context", None) if annotation is bytes else None)
    assert [item.name for item in signature.injected] == ["b"]


def test_dependencies_are_checked_when_they_are_declared() -> None:
    def nested(db: Annotated[str, Depends(open_db)], ctx: Context, size: int = 1) -> Iterator[str]:
        yield db

    async def outer(inner: Annotated[str, Depends(nested)]) -> AsyncIterator[str]:
        yield inner

    def needs(text: str) -> str:
        return text

    def loop(again: str) -> str:
        return again

    loop.__annotations__["again"] = Annotated[str, Depends(loop)]

    def f(x: Annotated[str, Depends(outer)]) -> None: ...
    def g(x: Annotated[str, Depends(needs)]) -> None: ...
    def h(x: Annotated[str, Depends(loop)]) -> None: ...

    assert Signature.of(f).injected[0].name == "x"
    assert [(item.name, item.kind) for item in dependencies_of(nested)] == [("db", "depends"), ("ctx", "context")]
    with pytest.raises(DefinitionError, match=r"needs.*'text'"):
        Signature.of(g)
    with pytest.raises(DefinitionError, match="loop depends on itself"):
        Signature.of(h)


# Without Pydantic.


def test_everything_but_models_works_where_pydantic_is_not_installed() -> None:
    program = textwrap.dedent(
        """
        import sys
        for name in ("pydantic", "annotated_types", "jsonschema_rs"):
            sys.modules[name] = None
        import dataclasses
        from typing import Annotated
        from dovetail.server.functions.markers import Header
        from dovetail.server.functions.results import Returns
        from dovetail.server.functions.signature import Signature

        @dataclasses.dataclass
        class A:
            x: Annotated[int, "an x"]

        @dataclasses.dataclass
        class B:
            y: str

        def f(a: A | B, n: Annotated[int, "n"], r: Annotated[str, Header("R")] = "") -> A | B:
            return a

        signature = Signature.of(f)
        value = signature.call(signature.decode(b'{"a":{"x":"1"},"n":1.0}'), {})
        assert value == A(1), value
        print(Returns.of(f).convert(value).structured_content)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_reading_a_signature_loads_neither_the_loop_nor_pydantic() -> None:
    program = textwrap.dedent(
        """
        import sys
        from dovetail.server.functions.signature import Signature
        from dovetail.server.functions.results import Returns
        def add(a: int, b: int) -> int: return a + b
        Signature.of(add).decode(b'{"a":1,"b":2}')
        Returns.of(add).convert(3)
        print(sorted({"asyncio", "ssl", "pydantic", "jsonschema_rs", "cryptography"} & set(sys.modules)))
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
