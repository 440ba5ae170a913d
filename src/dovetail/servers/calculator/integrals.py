"""Integrals: of real variables, checked against the integrand, and never with an imaginary part that it has not.

An antiderivative, differentiated, has to be the integrand; definite integrals are in `definite`, and with further names
in `families`. Loaded only in a computing process.
"""

from typing import Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator import definite
from dovetail.servers.calculator.answers import Answer, Job, Reply
from dovetail.servers.calculator.calculus import plain_variable, real_variable
from dovetail.servers.calculator.convergence import Bounds
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.families import family
from dovetail.servers.calculator.roots import by_cases
from dovetail.servers.calculator.symbolic import Builder, Expr, answer_of
from dovetail.servers.calculator.tidying import tidy
from dovetail.servers.calculator.zeros import value_at

_NO_FORM: Final = (
    "No antiderivative in known functions was found; give lower and upper for a definite integral, "
    "which can be computed as a number"
)
_NOT_FOR_ALL: Final = (
    "No formula is known that holds for all real values; give lower and upper for a definite integral, which can be "
    "computed as a number"
)
_NOT_REAL: Final = "Integrals go from one real number to another, or to infinity; parametrise a complex path"
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
    if inside.free_symbols - {variable} or any(bound.free_symbols for bound in bounds):
        return Reply(answer=family(inside, variable, bounds, job.digits))
    _check_real(bounds)
    return Reply(answer=definite.definite(inside, variable, bounds, job.digits))


def quadrature(job: Job) -> Reply:
    """A definite integral as a number."""
    inside, variable, bounds = _integral(job)
    if bounds is None or inside.free_symbols - {variable} or any(bound.free_symbols for bound in bounds):
        raise CalculatorError(
            "No formula for this was found in time; give values to the other names, and it is computed as a number"
        )
    _check_real(bounds)
    return Reply(answer=definite.quadrature(inside, variable, bounds, job.digits))


def _check_real(bounds: Bounds) -> None:
    if not all(bound.is_extended_real for bound in bounds):
        raise CalculatorError(_NOT_REAL)


def _antiderivative(inside: Expr, variable: Expr, digits: int) -> Answer:
    found = sympy.integrate(by_cases(inside), variable)
    if found.has(sympy.Integral, sympy.RootSum):
        raise CalculatorError(_NO_FORM)
    if found.has(sympy.exp_polar) or not _is_derived(found, inside, variable):
        raise CalculatorError(_NOT_FOR_ALL)
    return answer_of(tidy(plain_variable(_defined_cases(found), variable)), digits, "plus any constant")


def _defined_cases(found: Expr) -> Expr:
    """Leave cases out in which an integrand has no value, such as where all other names are 0."""

    def defined(*cases: Expr) -> Expr:
        kept = [one for one in cases if not one[0].has(sympy.zoo, sympy.nan)]
        return sympy.Piecewise(*kept) if kept else sympy.nan

    return found.replace(sympy.Piecewise, defined)


def _is_derived(found: Expr, inside: Expr, variable: Expr) -> bool:
    """Tell whether differentiating gives an integrand back, at points where that is real."""
    names = sorted((inside.free_symbols | found.free_symbols) - {variable}, key=str)
    return all(
        _is_derived_where(found, inside, variable, {name: sign * value for name, value in others.items()})
        for others in [{name: _OTHERS[place % len(_OTHERS)] + place for place, name in enumerate(names)}]
        for sign in ((1, -1) if names else (1,))
    )


def _is_derived_where(found: Expr, inside: Expr, variable: Expr, others: dict[Expr, Expr]) -> bool:
    values = [(point, value_at(inside, {**others, variable: point}, 15)) for point in _TRIED]
    told = [one for one in values if one[1] is not None]
    for point, value in [one for one in told if one[1].is_real] or told:
        ends = [value_at(found, {**others, variable: point + step}, 40) for step in (_STEP, -_STEP)]
        if ends[0] is None or ends[1] is None:
            return False
        slope = (ends[0] - ends[1]) / (2 * _STEP)
        if abs(slope - value) > _CLOSE * (abs(value) + _CLOSE):
            return False
    return bool(told)


def _integral(job: Job) -> tuple[Expr, Expr, Bounds | None]:
    builder = Builder(symbols=True)
    inside, *bounds = [builder.build(tree) for tree in job.trees]
    inside = inside.replace(sympy.sinc, lambda value: sympy.sin(value) / value)
    variable, inside = real_variable(inside, job.names[0], bounds)
    return inside, variable, (bounds[0], bounds[1]) if bounds else None
