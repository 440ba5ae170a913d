"""Definite integrals between numbers: no formula is given, and no number, that something else does not bear out.

The integrand is bounded on whole intervals first (`enclosures`): what lies within those bounds is right. Where there
are none, as of functions without power series, a formula has to agree with sums, and a note says so; what oscillates
far out is averaged (`averages`). Where nothing can be told, nothing is given. Loaded only in a computing process.
"""

from functools import partial
from itertools import pairwise
from typing import Any, Final

import msgspec
import sympy  # type: ignore[import-untyped]
from sympy.core.evalf import PrecisionExhausted  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Answer
from dovetail.servers.calculator.averages import averaged
from dovetail.servers.calculator.calculus import with_sign
from dovetail.servers.calculator.certainty import certain
from dovetail.servers.calculator.convergence import Bounds, breaks, infinite, real_between
from dovetail.servers.calculator.enclosures import Enclosed, enclosed
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.roots import RealRoot, by_cases
from dovetail.servers.calculator.steps import pieces, steps
from dovetail.servers.calculator.symbolic import Expr, answer_of, numeric
from dovetail.servers.calculator.tidying import tidy
from dovetail.servers.calculator.zeros import value_at

DIVERGES: Final = (
    "This integral diverges between these bounds: it does not converge; leave out where the integrand is infinite"
)
_OSCILLATES: Final = "This integral has no value: it does not converge, the integrand oscillates for ever"
_NO_VALUE: Final = (
    "This integral has no value that could be found and checked; it may diverge. Narrow the range, or integrate piece "
    "by piece"
)
_JUMPS: Final = "This integrand jumps, and not at places that are known; integrate piece by piece, from jump to jump"
_UNTOLD: Final = (
    "A formula was found, but whether it is right between these bounds cannot be told, so it is not given; narrow the "
    "range, integrate piece by piece, or ask for the antiderivative"
)
_NEAR_ZERO: Final = "This integral is 0, or too near to 0 to be told from it; integrate piece by piece"
_AS_NUMBER: Final = "computed as a number; no exact form was found"
_AT_POINTS: Final = "checked only with sums over points, which may miss what is narrow"
_LEAST_DIGITS: Final = 4
_ROUGHLY: Final = 12
"""Digits to which an integral is computed to be compared with its formula."""
_CLOSE: Final = sympy.Rational(1, 10**6)


class Known(msgspec.Struct, frozen=True):
    """What is known of an integral before any formula.

    Attributes:
        real: Whether the integrand is real.
        bounds: What it lies between; None if that could not be told.
        sign: Infinity with its sign, where it is that; nan where it is infinite without one.
    """

    real: bool
    bounds: Enclosed | None = None
    sign: Any = None


def known(inside: Expr, variable: Expr, bounds: Bounds, search: bool = True, seconds: float = 1.5) -> Known:
    """Find out what is sure of an integral.

    Args:
        inside: The integrand.
        variable: Its variable.
        bounds: Real ones.
        search: Whether to look for poles for which there is no formula, which takes a second each.
        seconds: For the bounds.
    """
    if not real_between(inside, variable, bounds):
        return Known(real=False)
    places, _ = breaks(inside, variable, bounds, search=False)
    found = enclosed(inside, variable, bounds, places, seconds)
    if found is not None:
        return Known(real=True, bounds=found)
    sign = infinite(inside, variable, bounds, search)
    if sign is not None or not search:
        return Known(real=True, sign=sign)
    more, _ = breaks(inside, variable, bounds, search=True)
    again = enclosed(inside, variable, bounds, more, seconds) if len(more) > len(places) else None
    return Known(real=True, bounds=again)


def definite(inside: Expr, variable: Expr, bounds: Bounds, digits: int) -> Answer:
    """Return an integral between numbers: by a formula, if one is found and right, else as a number.

    Raises:
        CalculatorError: It has no value, or none that could be checked.
    """
    if inside.is_zero or (bounds[0] == bounds[1] and value_at(inside, {variable: bounds[0]}) is not None):
        return answer_of(sympy.S.Zero, digits)
    told = known(inside, variable, bounds)
    if told.sign in (sympy.oo, -sympy.oo):
        return answer_of(told.sign, digits)
    if told.sign is not None:
        raise CalculatorError(DIVERGES)
    if told.bounds is None and steps(inside) and pieces(inside, variable, *bounds) is None:
        raise CalculatorError(_JUMPS)
    found = formula(inside, variable, bounds)
    if told.bounds is None and found.has(sympy.AccumBounds):
        raise CalculatorError(_OSCILLATES)
    value = number_of(found)
    if value is None:
        return _number(inside, variable, bounds, told, digits)
    if told.bounds is not None:
        if value.is_real and told.bounds.holds(value):
            return answer_of(tidy(found), digits)
        return _number(inside, variable, bounds, told, digits)
    return answer_of(tidy(found), digits, _seen(value, inside, variable, bounds, told))


def _seen(value: Expr, inside: Expr, variable: Expr, bounds: Bounds, told: Known) -> str | None:
    """Return what is to be said of a formula for which there are no bounds; it is refused if not seen right."""
    rough = None if told.real and not value.is_real else _roughly(inside, variable, bounds)
    if rough is not None and agree(rough, value):
        return _AT_POINTS
    if rough is None and told.real and value.is_real and averaged(inside, variable, bounds, value):
        return None
    raise CalculatorError(_JUMPS if steps(inside) or _folded(inside) else _UNTOLD)


def _folded(inside: Expr) -> bool:
    """Tell whether there is a function in it that jumps although nothing in it steps: atan(tan(x))."""
    return any(one.has(sympy.tan, sympy.cot) for one in inside.atoms(sympy.atan, sympy.acot))


def agree(one: Expr, other: Expr) -> bool:
    """Tell whether two numbers are the same, to a few digits."""
    return bool(abs(one - other) <= _CLOSE * (abs(other) + _CLOSE))


def formula(inside: Expr, variable: Expr, bounds: Bounds) -> Expr:
    """Return what sympy takes for the integral."""
    cut = pieces(inside, variable, *bounds)
    if cut is None:
        return sympy.integrate(by_cases(inside), (variable, *bounds))
    return sympy.Add(*[sympy.integrate(by_cases(piece), (variable, low, high)) for piece, low, high in cut])


_NONE: Final = (sympy.Integral, sympy.RootSum, sympy.exp_polar, sympy.polar_lift, sympy.AccumBounds)


def number_of(found: Expr) -> Expr | None:
    """Return what a formula is; None where it is no finite number that can be computed."""
    if found.has(*_NONE, sympy.nan, sympy.zoo, sympy.oo, -sympy.oo) or not found.is_number:
        return None
    try:
        value = certain(found, _ROUGHLY)
    except PrecisionExhausted:
        value = found.evalf(_ROUGHLY)
    real, imaginary = value.as_real_imag()
    if not all(part.is_Float or part.is_Rational for part in (real, imaginary)):
        return None
    return real if abs(imaginary) <= abs(real) / sympy.Integer(10) ** _ROUGHLY else value


def _roughly(inside: Expr, variable: Expr, bounds: Bounds) -> Expr:
    """Return an integral as a number with few digits; None where these do not come out."""
    smooth = _smooth(inside, variable, bounds, search=False)
    if any(steps(one) for one, _ in smooth):
        return None
    try:
        parts = [sympy.Integral(*one) for one in smooth]
        value = sympy.Add(*[part.evalf(_ROUGHLY, maxn=60, strict=True) for part in parts])
    except (PrecisionExhausted, AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None
    return value if all(part.is_Float or part.is_Rational for part in value.as_real_imag()) else None


def quadrature(inside: Expr, variable: Expr, bounds: Bounds, digits: int) -> Answer:
    """Return an integral between numbers as a number.

    Raises:
        CalculatorError: It has no value, or none that could be checked.
    """
    told = known(inside, variable, bounds)
    if told.sign in (sympy.oo, -sympy.oo):
        return answer_of(told.sign, digits)
    if told.sign is not None:
        raise CalculatorError(DIVERGES)
    return _number(inside, variable, bounds, told, digits)


def _number(inside: Expr, variable: Expr, bounds: Bounds, told: Known, digits: int) -> Answer:
    """Return a number: one that sums give and bounds hold, else as many digits as bounds tell."""
    digits = min(digits, 30)
    if told.bounds is not None and told.bounds.low <= 0 <= told.bounds.high:  # digits of this are never certain
        raise CalculatorError(_NEAR_ZERO)
    smooth = _smooth(inside, variable, bounds, search=told.bounds is None)
    real, text = _summed(smooth, digits, told.bounds is not None)
    if told.bounds is None:
        other, _ = _summed(_cut(smooth, variable, _uneven(bounds)), _ROUGHLY) if real is not None else (None, None)
        if real is None or other is None or not agree(real, other):
            raise CalculatorError(_JUMPS if steps(inside) else _NO_VALUE)
        return Answer(kind="real", decimal=text, note=f"{_AS_NUMBER}; {_AT_POINTS}")
    if real is None or not told.bounds.holds(real):
        real, text = _summed(_cut(smooth, variable, told.bounds.places), digits, sure=True)
    if real is not None and told.bounds.holds(real):
        return Answer(kind="real", decimal=text, note=_AS_NUMBER)
    return _bounded(told.bounds)


def _bounded(sure: Enclosed) -> Answer:
    """Return the digits in which two bounds agree."""
    slack = sure.size * 1e-12
    for digits in range(11, _LEAST_DIGITS - 1, -1):
        low, high = (numeric(sympy.Float(end, 20), digits)[0] for end in (sure.low - slack, sure.high + slack))
        if low is not None and low == high:
            return Answer(kind="real", decimal=low, note=f"computed as a number, right to {digits} digits")
    raise CalculatorError(_NO_VALUE)


_Stretch = tuple[Expr, tuple[Expr, Expr, Expr]]


def _summed(smooth: list[_Stretch], digits: int, sure: bool = False) -> tuple[Expr | None, str | None]:
    """Return the sum of integrals over points, as a number and as text; None where there is none that is real.

    Where bounds are known to compare it with, it is computed once, else with more digits, too.
    """
    try:
        parts = [sympy.Integral(*one) for one in smooth]
        exactly = [one.evalf(digits + 8, strict=True) if sure else certain(one, digits + 8) for one in parts]
        total = sympy.Add(*exactly)
        real, imaginary = numeric(total, digits)
    except (PrecisionExhausted, AttributeError, TypeError, ValueError, ZeroDivisionError):  # of what steps, for one
        return None, None
    return (None, None) if real is None or imaginary is not None else (total.as_real_imag()[0], real)


def _uneven(bounds: Bounds) -> list[float]:
    finite = [float(bound) for bound in bounds if bound.is_finite]
    low, high = (min(finite), max(finite)) if len(finite) == 2 else ((finite or [0.0])[0] - 3, (finite or [0.0])[0] + 5)
    return [low + (high - low) * share for share in (0.1234, 0.3789, 0.7071)]


def _cut(smooth: list[_Stretch], variable: Expr, places: list[float]) -> list[_Stretch]:
    found = []
    for inside, (_, start, end) in smooth:
        low, high = sorted((start, end), key=lambda bound: bound.evalf(20))
        within = [sympy.Rational(place) for place in places if low < sympy.Rational(place) < high]
        along = [low, *within, high] if low == start else [high, *reversed(within), low]
        found += [(inside, (variable, *ends)) for ends in pairwise(along)]
    return found


def _smooth(inside: Expr, variable: Expr, bounds: Bounds, search: bool) -> list[_Stretch]:
    """Cut an interval where an integrand has kinks or is infinite: sums over such places are not exact."""
    cut = pieces(inside, variable, *bounds)
    if cut is not None:
        return [one for piece, *ends in cut for one in _smooth(piece, variable, (ends[0], ends[1]), search)]
    if steps(inside):
        return [(inside, (variable, *bounds))]
    low, high = bounds
    places, _ = breaks(inside, variable, bounds, search)
    found = []
    for start, end in pairwise([low, *(places if high > low else reversed(places)), high]):
        middle = _between(start, end)
        found.append((inside.replace(RealRoot, partial(with_sign, variable, [middle])), (variable, start, end)))
    return found


def _between(start: Expr, end: Expr) -> Expr:
    finite = [one for one in (start, end) if one.is_finite]
    if len(finite) == 2:
        return (start + end) / 2
    above = sympy.oo in (start, end)
    return finite[0] + (1 if above else -1) if finite else sympy.S.Zero
