"""Dataclasses that were decoded are as whole as those that their own class made."""

import dataclasses
import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, NamedTuple, TypedDict, TypeVar

import annotated_types as at
import msgspec
import pytest

from dovetail import Client, Context, Server
from dovetail.revisions import REVISIONS
from dovetail.server.functions.elicited import form_of
from dovetail.server.functions.kept import reader_of, written
from dovetail.server.functions.results import Returns
from dovetail.server.functions.signature import Signature
from dovetail.server.functions.whole import may_lack
from dovetail.wire import ElicitResult

T = TypeVar("T")


@dataclass
class Order:
    sku: str
    amount: int = 1
    tags: list[str] = field(default_factory=list)
    note: str | None = None


@dataclass
class Base:
    sku: str
    amount: int = 2


@dataclass
class Derived(Base):
    amount = 5  # no annotation: the field's default stays what it was
    colour: str = "red"


@dataclass(frozen=True)
class Frozen:
    sku: str
    amount: int = 1


@dataclass(slots=True)
class Slotted:
    sku: str
    amount: int = 1


@dataclass
class HalfSlotted(Slotted):
    note: str = "none"


@dataclass
class Settled:
    sku: str
    amount: int = 1

    def __post_init__(self) -> None:
        self.amount = self.amount + 1


@dataclass
class Computing:
    width: int
    height: int
    area: int = field(init=False)
    is_admin: bool = field(init=False, default=False)
    seen: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.area = self.width * self.height


class Level(enum.Enum):
    LOW = 1.5
    HIGH = "high"


@dataclass
class Foreign:  # read by a stand-in
    sku: str
    level: Level = Level.LOW
    order: Order | None = None


@dataclass
class Boxed(Generic[T]):
    sku: str
    inner: T
    amount: int = 1


class Kept(msgspec.Struct):
    sku: str
    orders: list[Order]


class Pair(NamedTuple):
    sku: str
    order: Order


class Named(TypedDict):
    order: Order


class Upper:
    """A default that is kept elsewhere than under its own name."""

    def __get__(self, instance: Any, owner: Any) -> str:
        return "EN" if instance is None else instance._language

    def __set__(self, instance: Any, value: str) -> None:
        instance._language = value.upper()


@dataclass
class Described:
    sku: str
    language: str = Upper()  # type: ignore[assignment]
    amount: int = 1


SKU = {"sku": "a"}
INSIDE: list[tuple[Any, Any, Callable[[Any], Any]]] = [
    (list[Order], [SKU], lambda value: value[0]),
    (dict[str, Order], {"k": SKU}, lambda value: value["k"]),
    (tuple[Order, int], [SKU, 1], lambda value: value[0]),
    (Order | None, SKU, lambda value: value),
    (Annotated[list[Order], at.Len(1)], [SKU], lambda value: value[0]),
    (Named, {"order": SKU}, lambda value: value["order"]),
    (Kept, {"sku": "k", "orders": [SKU]}, lambda value: value.orders[0]),
    (Pair, ["p", SKU], lambda value: value.order),
    (Foreign, {"sku": "f", "order": SKU}, lambda value: value.order),
    (Boxed[Order], {"sku": "b", "inner": SKU}, lambda value: value.inner),
]


def decoded(kind: Any, value: Any) -> Any:
    def take(it: Any) -> None: ...

    take.__annotations__ = {"it": kind}
    return Signature.of(take).decode(msgspec.json.encode({"it": value}))[0]


@pytest.mark.parametrize("kind", [Order, Derived, Frozen, Slotted, HalfSlotted, Settled, Foreign])
def test_an_argument_is_as_whole_as_what_its_class_makes(kind: Any) -> None:
    mine, made = decoded(kind, SKU), kind("a")
    assert mine == made
    assert getattr(mine, "__dict__", {}) == getattr(made, "__dict__", {})
    assert msgspec.json.encode(mine) == msgspec.json.encode(made)


@pytest.mark.parametrize(("kind", "value", "found"), INSIDE, ids=[str(kind) for kind, *_ in INSIDE])
def test_a_dataclass_inside_of_something_is_whole(kind: Any, value: Any, found: Callable[[Any], Any]) -> None:
    assert vars(found(decoded(kind, value))) == vars(Order("a"))


def test_what_was_sent_is_never_replaced_by_a_default() -> None:
    sent = {"sku": "a", "amount": 7, "tags": ["t"], "note": "n"}
    assert vars(decoded(Order, sent)) == sent
    described = decoded(Described, {"sku": "a", "language": "de"})
    assert (described.language, vars(described)["amount"]) == ("DE", 1)


def test_texts_of_prompts_and_templates_become_whole_dataclasses() -> None:
    def take(order: Order) -> None: ...

    assert vars(Signature.of(take).decode_texts({"order": '{"sku":"a"}'})[0]) == vars(Order("a"))


def test_an_answered_form_is_a_whole_dataclass() -> None:
    answer = form_of(Frozen).read(ElicitResult(action="accept", content={"sku": "a"}))
    assert vars(answer.value) == vars(Frozen("a"))


def test_a_kept_result_is_a_whole_dataclass() -> None:
    def make() -> list[Order]: ...  # type: ignore[empty-body]

    assert vars(reader_of(make)(b'[{"sku":"a"}]')[0]) == vars(Order("a"))


@pytest.mark.parametrize("kind", [int, str, Slotted, list[Slotted], dict[str, Any], Level])
def test_types_that_cannot_lack_anything_are_not_looked_through(kind: Any) -> None:
    assert not may_lack([kind])


def test_a_default_that_leads_to_itself_is_looked_through_once() -> None:
    ring: list[Any] = []
    ring.append(ring)

    kind: Any = dataclasses.make_dataclass(
        "Ring", [("sku", str), ("ring", list[Any], field(default_factory=lambda: ring)), ("amount", int, 1)]
    )
    assert vars(decoded(kind, SKU))["amount"] == 1


SIDES = {"width": 2, "height": 3}
COMPUTED = {**SIDES, "area": 6, "is_admin": False, "seen": []}


@pytest.mark.parametrize("kind", [Computing, list[Computing], Boxed[Computing]])
def test_a_field_that_a_class_computes_is_no_callers_to_give(kind: Any) -> None:
    def take(it: Any) -> None: ...

    take.__annotations__ = {"it": kind}
    signature = Signature.of(take)
    said = signature.input_schema
    assert b"area" not in said
    assert b"is_admin" not in said
    given = {**SIDES, "area": 99, "is_admin": True, "seen": ["x"]}
    value = {Computing: given, list[Computing]: [given]}.get(kind, {"sku": "a", "inner": given})
    read = signature.decode(msgspec.json.encode({"it": value}))[0]
    read = read[0] if isinstance(read, list) else getattr(read, "inner", read)
    assert vars(read) == COMPUTED


def test_a_form_does_not_ask_for_what_a_class_computes() -> None:
    @dataclass
    class Sides:
        width: int
        area: int = field(init=False, default=0)

    form = form_of(Sides)
    assert [*form.schema.properties] == ["width"]
    assert vars(form.read(ElicitResult(action="accept", content={"width": 2, "area": 9})).value) == {
        "width": 2,
        "area": 0,
    }


def test_what_a_class_computes_is_part_of_what_goes_out() -> None:
    def make() -> Computing:
        return Computing(2, 3)

    returns = Returns.of(make)
    schema = msgspec.json.decode(returns.output_schema or b"")
    assert schema["required"] == ["width", "height", "area"]
    assert {"area", "is_admin", "seen"} < schema["properties"].keys()
    sent: Any = returns.convert(make()).structured_content
    assert msgspec.json.decode(sent) == COMPUTED


@dataclass
class Counting:
    level: Level
    count: int = field(init=False, default=0)


def test_what_a_class_computes_comes_back_as_it_was_kept() -> None:
    def make() -> Counting:
        counted = Counting(Level.HIGH)
        counted.count = 4
        return counted

    assert reader_of(make)(written(make())) == make()


@pytest.mark.parametrize("revision", [revision.version for revision in REVISIONS])
async def test_a_dataclass_that_came_in_goes_out_with_all_its_fields(revision: str) -> None:
    app = Server("shop")

    @app.tool
    async def normalise(order: Order) -> Order:
        return order

    @app.tool
    async def once(order: Order, ctx: Context) -> dict[str, Any]:
        def kept() -> Order:
            return order

        return {**vars(await ctx.once("kept", kept))}

    async with Client(app, revision=revision) as client:
        for name in ("normalise", "once"):
            result = await client.call_tool(name, {"order": SKU})
            assert msgspec.json.decode(result.text) == vars(Order("a"))
