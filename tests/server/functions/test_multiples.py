"""Multiples of a float: what is one as it is spelt, is one wherever it stands."""

import dataclasses
import json
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, NewType, TypedDict

import annotated_types as at
import jsonschema_rs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import DefinitionError, InvalidArguments, InvalidOutput
from dovetail.server.functions.elicited import form_of
from dovetail.server.functions.results import Returns
from dovetail.server.functions.schemas import schema_for
from dovetail.server.functions.signature import Signature
from dovetail.wire import ElicitResult

Money = Annotated[float, msgspec.Meta(multiple_of=0.01)]
Price = NewType("Price", Money)
CENTS = [0.0, 0.01, 0.07, 0.29, 0.57, 1.1, 4.35, 19.99, 1234567.89, -19.99, 3]


@dataclasses.dataclass
class Bill:
    amount: Money


class Row(TypedDict):
    amount: Money


PLACES: list[tuple[Any, Any, str]] = [
    (Money, lambda value: value, "$.x"),
    (Annotated[float, pydantic.Field(multiple_of=0.01)], lambda value: value, "$.x"),
    (Annotated[float, at.MultipleOf(Decimal("0.01")), at.Ge(-100)], lambda value: value, "$.x"),
    (Annotated[float | None, msgspec.Meta(multiple_of=0.01)], lambda value: value, "$.x"),
    (Money | str, lambda value: value, "$.x"),
    (Price, lambda value: value, "$.x"),
    (list[Money], lambda value: [0.07, value], "$.x[1]"),
    (dict[str, Money], lambda value: {"k": value}, "$.x[...]"),
    (Bill, lambda value: {"amount": value}, "$.x.amount"),
    (Row | None, lambda value: {"amount": value}, "$.x.amount"),
]


def taking(annotation: Any) -> Signature:
    def function(x: Any) -> None: ...

    function.__annotations__["x"] = annotation
    return Signature.of(function)


def returning(annotation: Any) -> Returns:
    def function() -> Any: ...

    function.__annotations__["return"] = annotation
    return Returns.of(function)


@pytest.mark.parametrize(("annotation", "inside", "path"), PLACES)
@pytest.mark.parametrize("value", CENTS)
def test_an_amount_in_cents_is_a_multiple_of_a_cent(annotation: Any, inside: Any, path: str, value: float) -> None:
    taking(annotation).decode(json.dumps({"x": inside(value)}).encode())
    sent: Any = returning(annotation).convert(inside(value)).structured_content
    assert json.loads(bytes(sent)) == inside(value)


@pytest.mark.parametrize(("annotation", "inside", "path"), PLACES)
@pytest.mark.parametrize("value", [0.001, 19.995, 0.010000000000000002, 1e-300])
def test_what_is_none_is_refused_by_its_place(annotation: Any, inside: Any, path: str, value: float) -> None:
    with pytest.raises(InvalidArguments) as refused:
        taking(annotation).decode(json.dumps({"x": inside(value)}).encode())
    assert refused.value.path == path
    assert "a multiple of 0.01" in str(refused.value)
    with pytest.raises(InvalidOutput):
        returning(annotation).convert(inside(value))


def test_the_other_bounds_and_the_words_beside_it_hold() -> None:
    amount = Annotated[float, msgspec.Meta(multiple_of=0.1, ge=0, description="How much."), at.Lt(10)]
    assert schema_for(amount) == {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": 10,
        "multipleOf": 0.1,
        "description": "How much.",
    }
    signature = taking(amount)
    for value in (-0.1, 10, 0.15, "a"):
        with pytest.raises(InvalidArguments, match=r"number >= 0 and < 10 and a multiple of 0\.1"):
            signature.decode(json.dumps({"x": value}).encode())
    assert signature.decode(b'{"x": 0.3}') == signature.decode(b'{"x": "0.3"}') == (0.3,)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.sampled_from([0.01, 0.005, 0.1, 0.3, 2.5, 7.0]))
def test_a_reader_of_the_schema_decides_the_same(value: Decimal, step: float) -> None:
    annotation = Annotated[float, msgspec.Meta(multiple_of=step)]
    number = float(value)
    said = jsonschema_rs.validator_for(schema_for(annotation)).is_valid(number)
    try:
        taking(annotation).decode(json.dumps({"x": number}).encode())
        taken = True
    except InvalidArguments:
        taken = False
    assert taken is said


def test_a_form_that_is_answered_with_an_amount_is_filled_in() -> None:
    form = form_of(Annotated[float, msgspec.Meta(ge=0, multiple_of=0.01)])
    assert form.read(ElicitResult(action="accept", content={"value": 19.99})).value == 19.99
    with pytest.raises(InvalidArguments, match=r"a multiple of 0\.01"):
        form.read(ElicitResult(action="accept", content={"value": 19.999}))


class Line(msgspec.Struct):
    amount: Money


class Pair(NamedTuple):
    amount: Money


@dataclasses.dataclass
class Bills:
    lines: list[Line]
    first: Bill


@pytest.mark.parametrize("annotation", [Line, Pair, list[Line], Bills])
def test_where_nothing_stands_in_for_the_decoder_it_is_refused_when_declared(annotation: Any) -> None:
    with pytest.raises(DefinitionError, match=r"multiple_of=0\.01 in a Struct or NamedTuple .* use a dataclass"):
        taking(annotation)
    with pytest.raises(DefinitionError, match=r"multiple_of=0\.01 in a Struct or NamedTuple"):
        returning(annotation)


class Halves(msgspec.Struct):
    share: Annotated[float, msgspec.Meta(multiple_of=0.5)]


def test_steps_that_are_exact_in_binary_stay_with_a_struct() -> None:
    assert taking(Halves).decode(b'{"x": {"share": 1.5}}') == (Halves(1.5),)
    with pytest.raises(InvalidArguments, match=r"a multiple of 0\.5"):
        taking(Halves).decode(b'{"x": {"share": 1.3}}')
