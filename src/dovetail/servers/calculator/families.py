"""Definite integrals with further names: a formula is given if it is right for several numbers in place of these.

Sympy takes further names for what suits a formula: positive, or not where a pole would lie between the bounds. So each
formula is tried with numbers of either sign; one that is wrong for any of them is not given. Loaded only in a computing
process.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Answer
from dovetail.servers.calculator.averages import averaged
from dovetail.servers.calculator.convergence import Bounds
from dovetail.servers.calculator.definite import DIVERGES, formula, known, number_of
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.symbolic import Expr, answer_of
from dovetail.servers.calculator.tidying import tidy

_VALUES: Final = tuple(
    sympy.Rational(value, 1000) for value in (1371, 613, 2719, 5303, 87, -1371, -613, -2719, 1009, -3301)
)
_SHIFT: Final = (0, 3, 7, 1, 5)
"""Numbers for the first name; those for others are so much further in the list, so that signs mix."""
_SECONDS: Final = 0.25
_LEAST: Final = 4
"""Numbers for which a formula has to be seen right."""
_GIVE: Final = "give numbers for the other names, and it is computed for these"
_NO_FORMULA: Final = f"No formula for this was found that holds for all values of the other names; {_GIVE}"
_WRONG: Final = (
    f"The formula that was found for this is wrong for some values of the other names, so it is not given; {_GIVE}"
)
_UNTOLD: Final = f"Whether the formula that was found for this is right cannot be told, so it is not given; {_GIVE}"
_SEEN: Final = (
    "checked with several numbers in place of the other names, where the integrand is real; not proved for all"
)


def family(inside: Expr, variable: Expr, bounds: Bounds, digits: int) -> Answer:
    """Return a definite integral with further names in it.

    Raises:
        CalculatorError: No formula was found, or it could not be checked.
    """
    try:
        found = _finite(formula(inside, variable, bounds))
    except (ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError):  # sympy's, where it has no way
        raise CalculatorError(_NO_FORMULA) from None
    if found.has(sympy.Integral, sympy.RootSum, sympy.nan, sympy.AccumBounds, sympy.exp_polar, sympy.polar_lift):
        raise CalculatorError(_NO_FORMULA)
    tidied = tidy(found)
    names = sorted((inside.free_symbols | bounds[0].free_symbols | bounds[1].free_symbols) - {variable}, key=str)
    right = infinite = 0
    for start in range(len(_VALUES)):
        values = {
            name: _VALUES[(start + _SHIFT[place % len(_SHIFT)]) % len(_VALUES)] for place, name in enumerate(names)
        }
        try:
            told = _told(found, tidied, inside, variable, bounds, values)
        except (ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError):  # no number comes out of it
            told = None
        if told is False:
            raise CalculatorError(_WRONG)
        right += told is True
        infinite += told is sympy.oo
    if infinite and not right:
        raise CalculatorError(DIVERGES)
    if right < _LEAST:
        raise CalculatorError(_UNTOLD)
    return answer_of(tidied, digits, _SEEN)


def _finite(found: Expr) -> Expr:
    """Leave conditions out that only say that a name is finite."""
    endless = {one: sympy.true for one in found.atoms(sympy.core.relational.Relational) if one.has(sympy.oo, -sympy.oo)}
    return found.xreplace(endless) if endless else found


def _told(found: Expr, tidied: Expr, inside: Expr, variable: Expr, bounds: Bounds, values: dict[Expr, Expr]) -> Any:
    """Tell whether a formula is right for some numbers; infinity where it is that, rightly, None if untold."""
    here, ends = inside.subs(values), (bounds[0].subs(values), bounds[1].subs(values))
    if not all(end.is_extended_real for end in ends) or here.has(sympy.nan, sympy.zoo):
        return None
    value, shown = number_of(found.subs(values)), number_of(tidied.subs(values))
    what = known(here, variable, ends, search=False, seconds=_SECONDS)
    if not what.real:
        return None
    if what.sign is not None:
        return sympy.oo if value is None and shown is None else False
    if what.bounds is not None:
        both = value is not None and shown is not None and value.is_real and shown.is_real
        return both and what.bounds.holds(value) and what.bounds.holds(shown)
    if value is not None and shown is not None and value.is_real and abs(value - shown) < 1e-9 * (1 + abs(value)):
        return True if averaged(here, variable, ends, value) else None
    return None
