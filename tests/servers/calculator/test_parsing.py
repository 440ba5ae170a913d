"""Reading expressions: what binds how, and that nothing but the typed error ever comes out."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.calculator.exact import SMALL, Arithmetic, evaluate
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.functions import call
from dovetail.servers.calculator.parsing import parse


def value(text: str) -> Fraction:
    return evaluate(parse(text).tree, Arithmetic(SMALL), call)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ^ 3 ^ 2", "512"),
        ("2 ** -1", "1/2"),
        ("-2 ^ 2", "-4"),
        ("(-2)^2", "4"),
        ("10 - 4 - 3", "3"),
        ("100 / 10 / 5", "2"),
        ("7 % 4", "3"),
        ("-7 mod 4", "1"),
        ("7 // 2", "3"),
        ("20% of 50", "10"),
        ("200 + 10%", "220"),
        ("200 - 10%", "180"),
        ("200 + -10%", "180"),
        ("50% + 10%", "3/5"),
        ("10% - 3", "-29/10"),
        ("200 * 10%", "20"),
        ("5!", "120"),
        ("3!!", "720"),
        ("2(3 + 4)", "14"),
        ("(1 + 1)(2 + 2)", "8"),
        ("0.1 + 0.2", "3/10"),
        ("1_000 * 2.5e-3", "5/2"),
        (".5", "1/2"),
        ("--3", "3"),
        ("2 × 3 ÷ 4 − 1", "1/2"),
        ("5²", "25"),
        ("√(16)", "4"),
        ("mean([1, 2, 6])", "3"),
        ("MAX(1, 7, 3)", "7"),
        ("nCr(5, 2)", "10"),
    ],
)
def test_an_expression_has_the_value_that_people_expect(text: str, wanted: str) -> None:
    assert value(text) == Fraction(wanted)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("2 +", "ends too early"),
        ("(1", "')' was expected"),
        ("1)", "out of place"),
        ("1 2", "Two numbers side by side"),
        ("1,000", "write 1000 or 1_000"),
        ("6/2(1+2)", "read in two ways"),
        ("1.2.3", "A number is written"),
        ("1e999999999", "exponent of a number"),
        ("9" * 2_000, "at most 1,000 digits"),
        ("1 < 2 < 3", "two things at a time"),
        ("sin 30", "in parentheses"),
        ("1 ; 2", "means nothing here"),
        ("__import__('os').system('id')", "means nothing here"),
        ("(" * 9_000, "deeper than 64"),
        ("!" * 9_000, "out of place"),
        ("5" + "!" * 9_000, "deeper than 128"),
        ("2^" * 4_000 + "2", "deeper than 64"),
        ("10 % -3", "two ways"),
        ("1" + "+1%" * 3_000, "deeper than 128"),
        ("1+" * 6_000, "at most 10,000 characters"),
    ],
)
def test_what_is_no_expression_is_said_to_be_none_and_where(text: str, told: str) -> None:
    with pytest.raises(CalculatorError, match=told.replace("(", r"\(").replace(")", r"\)")) as caught:
        parse(text)
    assert len(str(caught.value)) < 400


def test_ten_megabytes_are_refused_at_once() -> None:
    with pytest.raises(CalculatorError, match="at most 10,000"):
        parse("1+" * 5_000_000)


def test_a_hundred_thousand_parentheses_are_refused_at_once() -> None:
    with pytest.raises(CalculatorError):
        parse("(" * 100_000 + "1" + ")" * 100_000)


def test_what_stands_side_by_side_binds_tighter_than_division_but_a_fraction_stays_one() -> None:
    assert parse("10 km / 2 h").tree.kind == "multiply"
    assert parse("10 km / 2 h").tree.parts[1].kind == "invert"
    third = parse("1/3 cup").tree
    assert [part.kind for part in third.parts] == ["number", "invert", "name"]


def test_a_unit_to_convert_to_is_told_from_an_inch() -> None:
    assert parse("5 ft in cm").unit is not None
    assert parse("12 in to cm").unit is not None
    assert list(parse("12 in").tree.names()) == ["in"]
    assert parse("12 in").unit is None


@pytest.mark.parametrize(
    ("text", "names", "unit"),
    [
        ("30 cm in in", ["cm"], ["in"]),
        ("12 inch in in", ["inch"], ["in"]),
        ("3 in in cm", ["in"], ["cm"]),
        ("3 in in in", ["in"], ["in"]),
        ("2 ft + 6 in in in", ["ft", "in"], ["in"]),
        ("10 N*m in in*lbf", ["N", "m"], ["in", "lbf"]),
        ("10 ft*lbf in lbf in", ["ft", "lbf"], ["lbf", "in"]),
        ("1 m^2 in in^2", ["m"], ["in"]),
        ("10 m/s in (km/h)", ["m", "s"], ["km", "h"]),
        ("(60 mph) in (km/h)", ["mph"], ["km", "h"]),
        ("5 kg in (g)", ["kg"], ["g"]),
        ("10 lbf in in J", ["lbf", "in"], ["J"]),
        ("1/2 in in cm", ["in"], ["cm"]),
        ("0.5 in %", [], ["percent"]),
        ("5 lbf in to J", ["lbf", "in"], ["J"]),
        ("5 in (3 + 4)", ["in"], None),
        ("5 in (2)", ["in"], None),
        ("3 in * 2 in", ["in", "in"], None),
        ("mean(3 in, 5 in)", ["in", "in"], None),
        ("12 in = 1 ft", ["in", "ft"], None),
    ],
)
def test_the_last_in_that_a_unit_stands_behind_converts(text: str, names: list[str], unit: list[str] | None) -> None:
    read = parse(text)
    assert list(read.tree.names()) == names
    assert (None if read.unit is None else list(read.unit.names())) == unit


ALPHABET = st.one_of(
    st.sampled_from(
        [*"+-*/^%!()[],=<> .0123456789eE", "sin", "mean(", "km", " to ", "in", "of ", "°C", "²", "√", "**"]
    ),
    st.characters(),
)


@given(st.lists(ALPHABET, max_size=60).map("".join))
def test_any_text_is_an_expression_or_a_typed_error(text: str) -> None:
    try:
        value(text)
    except CalculatorError as error:
        assert 0 < len(str(error)) < 600


numbers = st.fractions(min_value=-1000, max_value=1000, max_denominator=50)


def expressions() -> st.SearchStrategy[tuple[str, Fraction | None]]:
    """An expression and the value that Fraction itself finds; None where it divides by zero."""
    leaves = numbers.map(lambda number: (f"({number.numerator}/{number.denominator})", number))

    def combined(
        children: st.SearchStrategy[tuple[str, Fraction | None]],
    ) -> st.SearchStrategy[tuple[str, Fraction | None]]:
        return st.tuples(children, st.sampled_from("+-*/"), children).map(_both)

    return st.recursive(leaves, combined, max_leaves=12)


def _both(drawn: tuple[tuple[str, Fraction | None], str, tuple[str, Fraction | None]]) -> tuple[str, Fraction | None]:
    (left, a), sign, (right, b) = drawn
    text = f"({left} {sign} {right})"
    if a is None or b is None or (sign == "/" and b == 0):
        return text, None
    return text, {"+": a + b, "-": a - b, "*": a * b}[sign] if sign != "/" else a / b


@given(expressions())
def test_arithmetic_agrees_with_fraction(drawn: tuple[str, Fraction | None]) -> None:
    text, wanted = drawn
    if wanted is None:
        with pytest.raises(CalculatorError, match="Division by zero"):
            value(text)
    else:
        assert value(text) == wanted


def test_places_are_counted_from_one() -> None:
    with pytest.raises(CalculatorError, match=r"at character 5") as caught:
        parse("1 + $")
    assert caught.value.at == 4


@pytest.mark.parametrize("name", ["Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh"])
def test_an_amplitude_before_a_function_is_not_read_as_its_inverse(name: str) -> None:
    with pytest.raises(CalculatorError, match=rf"A\*{name[1:]}\(\.\.\.\) for a product, or {name.lower()}\("):
        parse(f"{name}(omega*t)")
    for spelled in (name.lower(), name.upper()):
        assert parse(f"{spelled}(x)").tree.text == name.lower()
    assert parse("ArcSin(x)").tree.text == "asin"
