"""Expressions as functions of power series: what an integrand is on a whole interval.

Loaded only in a computing process.

An expression with anything in it that has no series here has no such function: what is not known is not guessed.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator import taylor
from dovetail.servers.calculator.roots import RealRoot
from dovetail.servers.calculator.taylor import Interval, Series

Compiled = Callable[[Series], Series]


class Unknown(Exception):
    """There is no series for a function. Never leaves the server."""


def compiled(expression: Any, variable: Any) -> Compiled:
    """Return an expression as a function of the series of its variable.

    Raises:
        Unknown: There is none.
    """
    if expression == variable:
        return lambda inside: inside
    if not expression.free_symbols:
        constant = [interval_of(expression)]
        return lambda inside: constant
    if expression.is_Pow:
        return _power(expression, variable)
    parts = [compiled(part, variable) for part in expression.args]
    if expression.is_Add or expression.is_Mul:
        join = taylor.added if expression.is_Add else taylor.multiplied
        return lambda inside: reduce(join, [part(inside) for part in parts])
    if isinstance(expression, RealRoot):
        degree = int(expression.args[1])
        return lambda inside: taylor.odd_root(parts[0](inside), degree)
    if isinstance(expression, sympy.Max | sympy.Min):
        return _largest(parts, -1.0 if isinstance(expression, sympy.Min) else 1.0)
    function = _SERIES.get(type(expression))
    if function is None or len(parts) != 1:
        raise Unknown
    return lambda inside: function(parts[0](inside))


def interval_of(value: Any) -> Interval:
    """Return the interval of floating numbers that a real number is in.

    Raises:
        Unknown: It is not real, or cannot be computed.
    """
    number = value if value.is_Rational else value.evalf(25)
    if not (number.is_Float or number.is_Rational):
        raise Unknown
    if number.is_Integer and abs(number) < 1 << 50:
        return float(number), float(number)
    return taylor.around(float(number), float(number))


def _power(expression: Any, variable: Any) -> Compiled:
    base, exponent = expression.args
    if exponent.is_Integer and abs(exponent) < 1_000:
        below, whole = compiled(base, variable), int(exponent)
        return lambda inside: taylor.whole_power(below(inside), whole)
    if exponent.is_Rational:
        below, share = compiled(base, variable), float(exponent)
        return lambda inside: taylor.power(below(inside), share)
    return compiled(sympy.exp(exponent * sympy.log(base), evaluate=False), variable)


def _largest(parts: list[Compiled], turned: float) -> Compiled:
    def largest(inside: Series) -> Series:
        turn = (turned, turned)
        values = [[taylor.times(turn, one) for one in part(inside)] for part in parts]
        return [taylor.times(turn, one) for one in reduce(taylor.larger, values)]

    return largest


def _quotient(above: Compiled, below: Compiled) -> Compiled:
    return lambda inside: taylor.divided(above(inside), below(inside))


def _one(inside: Series) -> Series:
    return [(1.0, 1.0)]


def _sine(inside: Series) -> Series:
    return taylor.sine_and_cosine(inside)[0]


def _cosine(inside: Series) -> Series:
    return taylor.sine_and_cosine(inside)[1]


def _hyperbolic_sine(inside: Series) -> Series:
    return taylor.hyperbolic(inside)[0]


def _hyperbolic_cosine(inside: Series) -> Series:
    return taylor.hyperbolic(inside)[1]


def _less_than_one(function: Compiled) -> Compiled:
    def rest(inside: Series) -> Series:
        return taylor.added([(1.0, 1.0)], [taylor.times((-1.0, -1.0), one) for one in function(inside)])

    return rest


_SERIES: Final[dict[Any, Compiled]] = {
    sympy.exp: taylor.exponential,
    sympy.log: taylor.logarithm,
    sympy.sin: _sine,
    sympy.cos: _cosine,
    sympy.tan: _quotient(_sine, _cosine),
    sympy.cot: _quotient(_cosine, _sine),
    sympy.sec: _quotient(_one, _cosine),
    sympy.csc: _quotient(_one, _sine),
    sympy.sinh: _hyperbolic_sine,
    sympy.cosh: _hyperbolic_cosine,
    sympy.tanh: taylor.hyperbolic_tangent,
    sympy.coth: _quotient(_one, taylor.hyperbolic_tangent),
    sympy.sech: _quotient(_one, _hyperbolic_cosine),
    sympy.csch: _quotient(_one, _hyperbolic_sine),
    sympy.asin: taylor.inverse_sine,
    sympy.acos: taylor.inverse_cosine,
    sympy.atan: taylor.inverse_tangent,
    sympy.asinh: taylor.inverse_hyperbolic_sine,
    sympy.atanh: taylor.inverse_hyperbolic_tangent,
    sympy.erf: taylor.error_function,
    sympy.erfc: _less_than_one(taylor.error_function),
    sympy.Abs: taylor.size,
    sympy.sign: taylor.sign,
    sympy.floor: taylor.floored,
}
