"""Decimals: only what JSON would call a number is one, whichever way it comes and goes."""

import dataclasses
import json
from decimal import Decimal
from typing import Annotated, Any

import annotated_types as at
import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import InvalidArguments, InvalidOutput
from dovetail.server.functions.results import Returns, convert_any
from dovetail.server.functions.schemas import schema_for
from dovetail.server.functions.signature import Signature

GOOD = ["0", "-0", "1", "-12.50", "1.10", "1e5", "1E+5", "0.1e-999", "9" * 40]
BAD = [
    "NaN",
    "sNaN",
    "-NaN5",
    "Infinity",
    "-Infinity",
    "inf",
    "1e999999999",
    "1e-1000",
    "1_000",
    " 1 ",
    "1\n",
    "٣",
    "+1",
]
BAD += ["01", ".5", "5.", "", "1,5", "0x1", "one"]
HUGE = "1e-999999999"


@dataclasses.dataclass
class Invoice:
    amount: Decimal


class Line(msgspec.Struct):
    amount: Decimal | None = None


PLACES: list[tuple[Any, Any, str]] = [
    (Decimal, lambda value: value, "$.x"),
    (Annotated[Decimal, at.Ge(-100)], lambda value: value, "$.x"),
    (Annotated[Decimal, at.Ge(-100)] | None, lambda value: value, "$.x"),
    (list[Decimal | None], lambda value: [None, value], "$.x[1]"),
    (dict[str, Decimal], lambda value: {"k": value}, "$.x[...]"),
    (Invoice, lambda value: {"amount": value}, "$.x.amount"),
    (list[Line], lambda value: [{"amount": value}], "$.x[0].amount"),
]


def signature(annotation: Any) -> Signature:
    def f(x: Any) -> Any:
        return x

    f.__annotations__["x"] = annotation
    return Signature.of(f)


def decode(annotation: Any, value: Any) -> Any:
    return signature(annotation).decode(json.dumps({"x": value}).encode())[0]


@pytest.mark.parametrize(("annotation", "inside", "path"), PLACES)
def test_a_text_is_a_decimal_if_json_would_call_it_a_number_and_the_place_is_named_if_not(
    annotation: Any, inside: Any, path: str
) -> None:
    schema = jsonschema_rs.validator_for(schema_for(annotation))
    for text in GOOD:
        decode(annotation, inside(text))
        assert schema.is_valid(inside(text)), text
    for text in BAD:
        with pytest.raises(InvalidArguments) as refused:
            decode(annotation, inside(text))
        assert refused.value.path == path
        assert "(decimal, such as 12.50)" in refused.value.expected
        assert not schema.is_valid(inside(text)), text


def test_a_decimal_is_read_exactly_from_text_and_from_a_number() -> None:
    exact = "0.12345678901234567890123"
    assert signature(Decimal).decode(b'{"x":"%b"}' % exact.encode())[0] == Decimal(exact)
    assert signature(Decimal).decode(b'{"x":%b}' % exact.encode())[0] == Decimal(exact)


def test_a_number_whose_exponent_nobody_could_write_out_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidArguments) as refused:
        signature(Invoice).decode(b'{"x":{"amount":%b}}' % HUGE.encode())
    assert refused.value.path == "$.x.amount"
    assert signature(Invoice | float).decode(b'{"x":%b}' % HUGE.encode()) == (0.0,)


def test_beside_text_only_what_is_a_decimal_is_read_as_one() -> None:
    assert decode(Decimal | str, "1.5") == Decimal("1.5")
    for text in BAD:
        assert decode(Decimal | str, text) == text


def test_text_elsewhere_in_the_arguments_may_be_any() -> None:
    def f(amount: Decimal, note: str) -> None: ...

    given = {"amount": "1", "note": "NaN 1e-999999"}
    assert Signature.of(f).decode(json.dumps(given).encode()) == (Decimal(1), given["note"])


@pytest.mark.req("S-10")
@pytest.mark.parametrize("bad", ["NaN", "sNaN", "Infinity", "-Infinity", "1e999999999", "1e-999999999"])
@pytest.mark.parametrize(
    ("annotation", "inside", "path"),
    [
        (Decimal, lambda value: value, "$"),
        (list[Decimal], lambda value: [value], "$[0]"),
        (Invoice, Invoice, "$.amount"),
        (dict[str, Line], lambda value: {"k": Line(value)}, "$[...].amount"),
    ],
)
def test_a_result_promises_finite_decimals(annotation: Any, inside: Any, path: str, bad: str) -> None:
    with pytest.raises(InvalidOutput) as refused:
        Returns.as_annotated(annotation).convert(inside(Decimal(bad)))
    assert refused.value.path == path


@pytest.mark.req("S-10")
@pytest.mark.parametrize("bad", ["NaN", "-sNaN", "Infinity"])
def test_a_result_without_a_promise_holds_no_decimal_that_is_no_number_either(bad: str) -> None:
    for value in (Decimal(bad), {"a": [Decimal(bad)]}, Invoice(Decimal(bad))):
        with pytest.raises(InvalidOutput, match="JSON has no NaN and no infinity"):
            convert_any(value)
    assert convert_any({"a": bad}).content


RETURNS = Returns.as_annotated(Decimal)
SENT = jsonschema_rs.validator_for(schema_for(Decimal, output=True))
TAKES = signature(Decimal)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e300"), max_value=Decimal("1e300")))
def test_every_finite_decimal_goes_out_as_its_schema_says_and_comes_back_the_same(value: Decimal) -> None:
    sent = bytes(RETURNS.convert(value).structured_content)  # type: ignore[arg-type]
    assert SENT.is_valid(json.loads(sent))
    assert TAKES.decode(b'{"x":%b}' % sent) == (value,)


@pytest.mark.parametrize("value", ["1e28", "1e999", 10**30, "9" * 200, "1.5", "1e3"])
def test_a_multiple_is_one_however_large_it_is(value: Any) -> None:
    half = Annotated[Decimal, at.MultipleOf(Decimal("0.5"))]
    assert signature(half).decode(msgspec.json.encode({"x": value})) == (Decimal(value),)


@pytest.mark.parametrize("value", ["1" + "0" * 40 + ".3", "1e-999", "1" * 9000])
def test_what_is_no_multiple_or_too_long_to_tell_does_not_fit(value: str) -> None:
    half = Annotated[Decimal, at.MultipleOf(Decimal("0.5"))]
    with pytest.raises(InvalidArguments, match=r"\$\.x"):
        signature(half).decode(msgspec.json.encode({"x": value}))
