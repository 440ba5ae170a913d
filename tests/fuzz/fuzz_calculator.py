"""Fuzz target: any text is an expression or a `CalculatorError`; what is small is computed, or refused, at once."""

from fractions import Fraction

from dovetail.servers.calculator.exact import SMALL, Arithmetic, evaluate
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.functions import call
from dovetail.servers.calculator.parsing import parse
from dovetail.servers.calculator.rendering import decimal_text, exact_text

SEEDS = [
    b"2 * (3 + 4)^2 - 1/3",
    b"9**9**9**9 + factorial(10**9) - comb(10^9, 10^8)",
    b"3 km + 200 m to ft",
    b"mean([1, 2.5e-3, 7%]) // -2 mod 5!",
    "√(2) × π ÷ 3² → m/s² in °C".encode(),
    b"200 + 10% of 50 - 6/2(1+2) >= x != 1e99999",
    b"((((((((((((((((1))))))))))))))))^2^2^2^2!!!!%%%%",
]


def fuzz(data: bytes) -> None:
    try:
        read = parse(data.decode("utf-8", "surrogateescape"))
        value = evaluate(read.tree, Arithmetic(SMALL), call)
    except CalculatorError:
        return
    assert isinstance(value, Fraction)
    assert decimal_text(value, 15)
    exact_text(value)
