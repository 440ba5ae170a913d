"""Conditions for inequalities that no formula is known for: where they begin and cease to hold, found by trying points.

Steps, poles and ends of the domain are found as zeros are: by halving between a point where all relations hold and one
where they do not. Loaded only in a computing process.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.searching import GRID, MOST

Expr = Any
_HALVINGS: Final = 80
_DIGITS: Final = 15
_SIMPLE: Final = 1_000
"""Denominator up to which a boundary is taken for a fraction."""
_NEAR: Final = sympy.Rational(1, 10**16)


def conditions(
    holds: Callable[[Any], bool], unknown: Expr, places: list[Expr], closed: bool
) -> tuple[Expr, bool] | None:
    """Find conditions under which something holds.

    Args:
        holds: Whether it does at a point.
        unknown: What is asked for.
        places: Where it may change for a single point, such as zeros.
        closed: Whether it holds at ends that are rounded, which cannot be tried.

    Returns:
        The conditions, and whether ends were rounded in them; None where there are too many.
    """
    points = sorted({*GRID, *places})
    told = [(point, holds(point)) for point in points]
    lone = [
        middle[0]
        for before, middle, after in zip(told, told[1:], told[2:], strict=False)
        if before[1] == after[1] != middle[1]
    ]
    told = [one for one in told if one[0] not in lone]
    changes = [_change(holds, low, high) for low, high in pairwise(told) if low[1] != high[1]]
    ends = sorted({*lone, *changes})
    if len(ends) > MOST:
        return None
    return _joined(holds, unknown, ends, closed), any(end.has(sympy.Float) for end in ends)


def _change(holds: Callable[[Any], bool], before: tuple[Any, bool], after: tuple[Any, bool]) -> Expr:
    low, high = before[0], after[0]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) == before[1] else (low, middle)
    simple = sympy.Rational(str(low.evalf(30))).limit_denominator(_SIMPLE)
    return simple if abs(simple - low) < _NEAR else low.evalf(_DIGITS)


def _joined(holds: Callable[[Any], bool], unknown: Expr, ends: list[Expr], closed: bool) -> Expr:
    """Return conditions of what holds between ends, and at them."""
    if not ends:
        return sympy.true if holds(sympy.Rational(1, 3)) else sympy.false
    between = [ends[0] - 1, *((low + high) / 2 for low, high in pairwise(ends)), ends[-1] + 1]
    sets = []
    for place, (low, high) in enumerate(pairwise([-sympy.oo, *ends, sympy.oo])):
        if holds(between[place]):
            sets.append(sympy.Interval.open(low, high))
    sets += [sympy.FiniteSet(end) for end in ends if (closed if end.has(sympy.Float) else holds(end))]
    return sympy.Union(*sets).as_relational(unknown)
