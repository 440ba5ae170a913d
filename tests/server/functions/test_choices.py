"""Choices, paths, times and types that lead to themselves: what the schema says is what is read, and sent back."""

import collections
import dataclasses
import datetime
import enum
import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Optional, TypedDict, Union

import annotated_types as at
import jsonschema_rs
import msgspec
import pydantic
import pytest
from typing_extensions import TypeAliasType

from dovetail.errors import DefinitionError, InvalidArguments
from dovetail.server.functions.results import Returns
from dovetail.server.functions.signature import Signature

SECRET = "sk-canary-9f2c"


class Mixed(enum.Enum):
    A = "a"
    ONE = 1


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Bits(enum.IntFlag):
    ONE = 1
    FOUR = 4


class Share(enum.Enum):
    HALF = 0.5
    WHOLE = 1.0


class Kinds(enum.Enum):
    TEXT = "a"
    HALF = 0.5
    TWO = 2
    YES = True
    NONE = None


@dataclasses.dataclass
class Held:
    place: Path
    mixed: Mixed = Mixed.A
    level: Literal[Level.LOW] | None = None


JSON = Union[str, int, bool, None, list["JSON"], dict[str, "JSON"]]  # noqa: UP007
NESTED: Any = list["Nested"]  # type: ignore[name-defined]  # noqa: F821
globals()["Nested"] = Nested_ = TypeAliasType("Nested", int | NESTED)
Tree = TypeAliasType("Tree", "int | list[Tree]")


def taking(annotation: Any) -> Signature:
    def tool(v: Any) -> None: ...

    tool.__annotations__["v"] = annotation
    return Signature.of(tool)


def schema_of(annotation: Any) -> Any:
    schema = taking(annotation).schema
    found = dict(schema["properties"]["v"])
    return {**found, "$defs": schema["$defs"]} if "$defs" in schema else found


READ: list[tuple[Any, Any, Any]] = [
    (Mixed, "a", Mixed.A),
    (Mixed, 1, Mixed.ONE),
    (Share, 0.5, Share.HALF),
    (Share, 1, Share.WHOLE),
    (Share | None, None, None),
    (list[Kinds], ["a", 0.5, 2, True, None], [Kinds.TEXT, Kinds.HALF, Kinds.TWO, Kinds.YES, Kinds.NONE]),
    (Mixed | None, None, None),
    (Literal[Level.HIGH], "high", Level.HIGH),
    (Literal[Level.HIGH, "x", 3], 3, 3),
    (Literal[Mixed.A] | None, "a", Mixed.A),
    (list[Literal[Level.LOW]], ["low"], [Level.LOW]),
    (Literal["a", 1, True, None], True, True),
    (Right, 3, Right.READ | Right.WRITE),
    (Right, 0, Right(0)),
    (Bits, 5, Bits.ONE | Bits.FOUR),
    (Path, "a/b", Path("a/b")),
    (PurePosixPath | None, "a/b", PurePosixPath("a/b")),
    (dict[str, Path], {"x": "a"}, {"x": Path("a")}),
    (OrderedDict[str, int], {"b": 1, "a": 2}, OrderedDict(b=1, a=2)),
    (OrderedDict, {"b": 1}, OrderedDict(b=1)),
    (OrderedDict[str, Path], {"b": "x"}, OrderedDict(b=Path("x"))),
    (Held, {"place": "x", "mixed": 1, "level": "low"}, Held(Path("x"), Mixed.ONE, Level.LOW)),
    (JSON, {"a": [1, "x", None, {"b": [True]}]}, {"a": [1, "x", None, {"b": [True]}]}),
    (Tree, [1, [2, [3, []]]], [1, [2, [3, []]]]),
    (list[Tree], [1, [[2]]], [1, [[2]]]),
    (Nested_, [1, [2, [3]]], [1, [2, [3]]]),
]


@pytest.mark.parametrize(("annotation", "value", "read"), READ)
def test_what_the_schema_allows_is_read_and_sent_back(annotation: Any, value: Any, read: Any) -> None:
    signature = taking(annotation)
    (found,) = signature.decode(json.dumps({"v": value}).encode())
    assert found == read
    assert type(found) is type(read)
    jsonschema_rs.validator_for(signature.schema).validate({"v": value})

    def tool() -> Any: ...

    tool.__annotations__["return"] = annotation
    returns = Returns.of(tool)
    assert json.loads(bytes(returns.convert(found).structured_content)) == value  # type: ignore[arg-type]
    assert returns.output_schema is not None
    jsonschema_rs.validator_for(json.loads(returns.output_schema)).validate(value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Mixed, "b"),
        (Mixed, True),
        (Mixed, 1.5),
        (Mixed, ["a"]),
        (Share, 0.25),
        (Share, "half"),
        (Share, True),
        (Kinds, False),
        (Kinds, 1),
        (Literal[Level.HIGH], "low"),
        (Literal[1, "a"], True),
        (Right, 8),
        (Right, -1),
        (Right, True),
        (Path, 5),
        (OrderedDict[str, int], {"a": "x"}),
        (JSON, {"a": [1.5]}),
        (Tree, [1, [2, ["x"]]]),
        (Held, {"place": "x", "mixed": 2}),
    ],
)
def test_what_the_schema_does_not_allow_is_refused(annotation: Any, value: Any) -> None:
    signature = taking(annotation)
    with pytest.raises(InvalidArguments):
        signature.decode(json.dumps({"v": value}).encode())
    assert not jsonschema_rs.validator_for(signature.schema).is_valid({"v": value})


@pytest.mark.parametrize("value", [(1, 2), object(), float("nan"), datetime.date(2026, 7, 28)])
def test_a_choice_whose_value_json_has_no_single_word_for_is_refused_by_name(value: Any) -> None:
    odd = enum.Enum("Odd", {"ONE": value})  # type: ignore[misc]
    with pytest.raises(DefinitionError, match="v: Odd: a choice stands in JSON as its value: a string"):
        taking(odd)


def test_schemas_of_choices_paths_and_flags() -> None:
    assert schema_of(Share) == {"type": "number", "enum": [0.5, 1.0]}
    assert schema_of(Mixed) == {"enum": ["a", 1]}
    assert schema_of(Literal[Level.HIGH, Level.LOW]) == {"type": "string", "enum": ["high", "low"]}
    assert schema_of(Literal["a", 1, True, None]) == {"enum": ["a", 1, True, None]}
    assert schema_of(Right) == {"type": "integer", "minimum": 0, "maximum": 7}
    assert schema_of(Path) == {"type": "string", "format": "path"}


def test_a_type_that_leads_to_itself_is_described_once() -> None:
    tree = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/$defs/Tree"}}]}
    assert schema_of(Tree) == {"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}}
    both = taking(dict[str, Tree] | Tree).schema
    assert list(both["$defs"]) == ["Tree"]


def test_a_name_that_leads_nowhere_is_named() -> None:
    def tool(v: Any) -> None: ...

    tool.__annotations__["v"] = TypeAliasType("Lost", list["Nowhere"])  # type: ignore[name-defined]  # noqa: F821
    with pytest.raises(DefinitionError, match="'Nowhere' names no type that is known here"):
        Signature.of(tool)


# Times.


class Event(msgspec.Struct):
    when: datetime.datetime


class Other(msgspec.Struct, tag=True):
    at: datetime.time


class Third(msgspec.Struct, tag=True):
    at: datetime.datetime | None = None


class Row(NamedTuple):
    when: datetime.datetime
    note: str


class Fields(TypedDict):
    when: datetime.datetime
    maybe: NotRequired[list[datetime.time]]


@dataclasses.dataclass
class Meeting:
    when: datetime.datetime
    breaks: list[tuple[datetime.time, datetime.time]]
    log: dict[str, datetime.datetime | None]
    next: Optional["Meeting"] = None


def formats(schema: Any) -> collections.Counter[str]:
    found: collections.Counter[str] = collections.Counter()
    if isinstance(schema, dict):
        found[schema.get("format", "")] += 1
        for inner in schema.values():
            found += formats(inner)
    elif isinstance(schema, list):
        for inner in schema:
            found += formats(inner)
    del found[""]
    return found


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Event, {"date-time": 1}),
        (Row, {"date-time": 1}),
        (Fields, {"date-time": 1, "time": 1}),
        (Meeting, {"date-time": 2, "time": 2}),
        (Event | None, {"date-time": 1}),
        (Other | Third, {"date-time": 1, "time": 1}),
        (Other | Third | int, {"date-time": 1, "time": 1}),
        (Other | Third | None, {"date-time": 1, "time": 1}),
        (Other | datetime.datetime | None, {"date-time": 1, "time": 1}),
        (Annotated[datetime.datetime, msgspec.Meta(tz=True)], {"date-time": 1}),
        (list[datetime.datetime | int], {"date-time": 1}),
        (Held | Meeting, {"date-time": 2, "time": 2, "path": 1}),
    ],
)
def test_a_time_says_that_it_is_one_wherever_it_stands(annotation: Any, said: dict[str, int]) -> None:
    assert formats(schema_of(annotation)) == said


def test_an_error_about_a_time_in_a_class_says_what_a_time_is() -> None:
    with pytest.raises(InvalidArguments, match=r"^\$.v.when: expected string \(date-time\)"):
        taking(Meeting).decode(json.dumps({"v": {"when": SECRET, "breaks": [], "log": {}}}).encode())


# What errors name.


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


@dataclasses.dataclass
class Circle:
    kind: Literal["circle"]
    radius: float


@dataclasses.dataclass
class Square:
    kind: Literal["square"]
    side: float


@pytest.mark.parametrize(
    ("annotation", "value", "said"),
    [
        (Annotated[str, at.Predicate(str.islower)], SECRET.upper(), r"\$.v: does not pass a check of its type"),
        (Pet, {"kind": SECRET}, r'\$.v.kind: expected "cat" or "dog"'),
        (Pet, {}, r'\$.v.kind: required, expected "cat" or "dog"'),
        (list[Pet], [{"kind": SECRET}], r'\$.v\[0\].kind: expected "cat" or "dog"'),
        (Circle | Square, {"kind": SECRET, "side": 1.0}, r'\$.v.kind: expected "circle" or "square"'),
        (Other | Third, {"type": SECRET}, r'\$.v.type: expected "Other" or "Third"'),
    ],
)
def test_what_does_not_fit_is_told_by_what_would(annotation: Any, value: Any, said: str) -> None:
    with pytest.raises(InvalidArguments, match=said) as caught:
        taking(annotation).decode(json.dumps({"v": value}).encode())
    assert SECRET.lower() not in str(caught.value).lower()


class Plain:
    def __init__(self, a: int) -> None: ...


@pytest.mark.parametrize("annotation", [Plain, list[Plain], complex, Callable[[], int], range])
def test_a_parameter_without_a_schema_is_named(annotation: Any) -> None:
    def tool(fine: int, wrong: Any) -> None: ...

    tool.__annotations__["wrong"] = annotation
    with pytest.raises(DefinitionError, match=r"^tool: wrong: There is no JSON Schema for this: ."):
        Signature.of(tool)


class Half(enum.Enum):
    LOW = 0.5
    HIGH = 1.5


class HalfStruct(msgspec.Struct):
    it: Half


class HalfTuple(NamedTuple):
    it: Half


@pytest.mark.parametrize("kind", [HalfStruct, HalfTuple])
def test_an_enum_that_a_struct_cannot_hold_is_refused_with_what_can_hold_it(kind: Any) -> None:
    def tool(v: Any) -> None: ...

    tool.__annotations__["v"] = kind
    with pytest.raises(DefinitionError, match="a dataclass or TypedDict does: use one of these instead"):
        Signature.of(tool)
    tool.__annotations__["v"] = dataclasses.make_dataclass("HalfClass", [("it", Half)])
    assert Signature.of(tool).decode(b'{"v":{"it":0.5}}')[0].it is Half.LOW
