"""Integrals: of real variables, checked against the integrand, and never with an imaginary part that it has not.

A formula that is found is compared with numbers: a definite integral with sums, an antiderivative, differentiated,
with the integrand itself. One that does not agree is not given. Loaded only in a computing process.
"""

from functools import partial
from itertools import pairwise
from typing import Final

import sympy  # type: ignore[import-untyped]
from sympy.core.evalf import PrecisionExhausted  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Answer, Job, Reply
from dovetail.servers.calculator.calculus import plain_variable, real_variable, with_sign
from dovetail.servers.calculator.certainty import certain, contradicted
from dovetail.servers.calculator.convergence import Bounds, breaks, infinite, real_between
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.roots import RealRoot, by_cases
from dovetail.servers.calculator.steps import pieces, steps
from dovetail.servers.calculator.symbolic import Builder, Expr, answer_of, numeric
from dovetail.servers.calculator.tidying import tidy
from dovetail.servers.calculator.zeros import value_at

_DIVERGES: Final = (
    "This integral diverges between these bounds: it does not converge; leave out where the integrand is infinite"
)
_OSCILLATES: Final = "This integral has no value: it does not converge, the integrand oscillates for ever"
_NO_FORM: Final = (
    "No antiderivative in known functions was found; give lower and upper for a definite integral, "
    "which can be computed as a number"
)
_NOT_FOR_ALL: Final = (
    "No formula is known that holds for all real values; give lower and upper for a definite integral, which can be "
    "computed as a number"
)
_NO_VALUE: Final = "This integral has no value that could be found; it may diverge. Try other bounds"
_JUMPS: Final = "This integrand jumps, and not at places that are known; integrate piece by piece, from jump to jump"
_DISAGREES: Final = (
    "The formula that was found does not agree with the integrand between these bounds, which jumps there or "
    "is infinite; integrate piece by piece, from jump to jump"
)
_ROUGHLY: Final = 12
"""Digits to which an integral is computed to be compared with its formula."""
_CLOSE: Final = sympy.Rational(1, 10**6)
_STEP: Final = sympy.Rational(1, 10**10)
_TRIED: Final = tuple(
    sign * sympy.Rational(*share)
    for share in ((3, 89), (25, 77), (71, 83), (19, 11), (47, 10), (2311, 100))
    for sign in (1, -1)
)
_OTHERS: Final = (sympy.Rational(1371, 1000), sympy.Rational(2719, 1000), sympy.Rational(613, 1000))
"""Where an antiderivative is differentiated, and what is put in for names besides its variable."""


def integrate(job: Job) -> Reply:
    """An integral; `names` holds the variable, the other two trees the bounds."""
    inside, variable, bounds = _integral(job)
    if bounds is None:
        return Reply(answer=_antiderivative(inside, variable, job.digits))
    found = _definite(inside, variable, bounds)
    if found.has(sympy.AccumBounds):
        raise CalculatorError(_OSCILLATES)
    if found.has(sympy.nan, sympy.zoo):
        raise CalculatorError(_DIVERGES)
    if found.has(sympy.Integral, sympy.RootSum):
        return quadrature(job)
    if not _of_numbers(inside, variable, bounds):
        if found.has(sympy.oo, -sympy.oo) and found.has(sympy.I):
            raise CalculatorError(_DIVERGES)
        return Reply(answer=answer_of(tidy(found), job.digits))
    return _checked(job, found)


def _of_numbers(inside: Expr, variable: Expr, bounds: Bounds) -> bool:
    """Tell whether an integral has real bounds, and no names but its variable."""
    if inside.free_symbols - {variable} or any(bound.free_symbols for bound in bounds):
        return False
    return all(bound.is_extended_real for bound in bounds)


def _antiderivative(inside: Expr, variable: Expr, digits: int) -> Answer:
    found = sympy.integrate(by_cases(inside), variable)
    if found.has(sympy.Integral, sympy.RootSum):
        raise CalculatorError(_NO_FORM)
    if found.has(sympy.exp_polar) or not _is_derived(found, inside, variable):
        raise CalculatorError(_NOT_FOR_ALL)
    return answer_of(tidy(plain_variable(found, variable)), digits, "plus any constant")


def _is_derived(found: Expr, inside: Expr, variable: Expr) -> bool:
    """Tell whether differentiating gives an integrand back, at points where that is real."""
    names = sorted((inside.free_symbols | found.free_symbols) - {variable}, key=str)
    others = {name: _OTHERS[place % len(_OTHERS)] + place for place, name in enumerate(names)}
    values = [(point, value_at(inside, {**others, variable: point}, 15)) for point in _TRIED]
    told = [one for one in values if one[1] is not None]
    for point, value in [one for one in told if one[1].is_real] or told:
        ends = [value_at(found, {**others, variable: point + step}, 40) for step in (_STEP, -_STEP)]
        if ends[0] is None or ends[1] is None:
            return False
        slope = (ends[0] - ends[1]) / (2 * _STEP)
        if abs(slope - value) > _CLOSE * (abs(value) + _CLOSE):
            return False
    return True


def _definite(inside: Expr, variable: Expr, bounds: Bounds) -> Expr:
    cut = pieces(inside, variable, *bounds)
    if cut is None:
        return sympy.integrate(by_cases(inside), (variable, *bounds))
    return sympy.Add(*[sympy.integrate(by_cases(piece), (variable, low, high)) for piece, low, high in cut])


def _checked(job: Job, found: Expr) -> Reply:
    """Give the formula of an integral between numbers if numbers agree with it, else a number, or nothing."""
    inside, variable, bounds = _integral(job)
    assert bounds is not None
    real = real_between(inside, variable, bounds)
    if found.has(sympy.oo, -sympy.oo):
        return _endless(job, inside, variable, bounds) if real else _refused(_DIVERGES)
    value = None if found.has(sympy.exp_polar) or not found.is_number else _number(found)
    if value is None or (real and not value.is_real):
        return quadrature(job)
    rough = _roughly(inside, variable, bounds)
    if rough is None:
        if contradicted(found, inside, variable, bounds):
            raise CalculatorError(_DISAGREES)
    elif abs(rough - value) > _CLOSE * (abs(value) + _CLOSE):
        return quadrature(job)
    return Reply(answer=answer_of(tidy(found), job.digits))


def _refused(message: str) -> Reply:
    raise CalculatorError(message)


def _number(found: Expr) -> Expr:
    """Return what a formula is; None where it is no number that can be computed."""
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


def _endless(job: Job, inside: Expr, variable: Expr, bounds: Bounds) -> Reply:
    """Answer where a formula is infinite: with infinity and its sign if the integrand shows these, else not."""
    sign = infinite(inside, variable, bounds)
    if sign not in (sympy.oo, -sympy.oo):
        raise CalculatorError(_DIVERGES)
    return Reply(answer=answer_of(sign, job.digits))


def quadrature(job: Job) -> Reply:
    """A definite integral as a number."""
    inside, variable, bounds = _integral(job)
    if bounds is None or (inside.free_symbols - {variable}):
        raise CalculatorError("Only a definite integral without other variables can be computed as a number")
    digits = min(job.digits, 30)
    try:
        parts = [sympy.Integral(*one) for one in _smooth(inside, variable, bounds, search=True)]
        real, imaginary = numeric(sympy.Add(*[certain(part, digits + 8) for part in parts]), digits)
    except (PrecisionExhausted, AttributeError):  # sympy has the latter for what steps
        real = imaginary = None
    if real is None or imaginary is not None:
        raise CalculatorError(_JUMPS if steps(inside) else _NO_VALUE)
    if _of_numbers(inside, variable, bounds) and infinite(inside, variable, bounds) is not None:
        raise CalculatorError(_DIVERGES)
    return Reply(answer=Answer(kind="real", decimal=real, note="computed as a number; no exact form was found"))


def _smooth(inside: Expr, variable: Expr, bounds: Bounds, search: bool) -> list[tuple[Expr, tuple[Expr, Expr, Expr]]]:
    """Cut an interval where an integrand has kinks or is infinite: sums over such places are not exact."""
    cut = pieces(inside, variable, *bounds)
    if cut is not None:
        return [one for piece, *ends in cut for one in _smooth(piece, variable, (ends[0], ends[1]), search)]
    if not _of_numbers(inside, variable, bounds) or steps(inside):
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


def _integral(job: Job) -> tuple[Expr, Expr, Bounds | None]:
    builder = Builder(symbols=True)
    inside, *bounds = [builder.build(tree) for tree in job.trees]
    variable, inside = real_variable(inside, job.names[0], bounds)
    return inside, variable, (bounds[0], bounds[1]) if bounds else None
