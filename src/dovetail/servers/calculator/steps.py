"""Functions that go in steps: rounding under a name, their derivatives, and where they jump between two bounds.

Loaded only in a computing process.
"""

from itertools import pairwise
from typing import Any, Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.certainty import whole_below
from dovetail.servers.calculator.zeros import value_at

_PIECES: Final = 200
"""Steps that an integral is taken over, one by one."""
_HALF: Final = sympy.Rational(1, 2)


class Rounded(sympy.Function):  # type: ignore[misc]  # sympy is not typed
    """round(value, places): halves go to the even digit, as they do in arithmetic."""

    nargs = 2

    @classmethod
    def eval(cls, value: Any, places: Any) -> Any:
        """Return the number, of a number; None leaves it as it is."""
        shift = sympy.Integer(10) ** places
        above = value * shift + _HALF
        if not above.is_number or above.is_real is False:
            return None
        below = whole_below(above)
        half = below == above and below % 2 == 1
        return (below - 1 if half else below) / shift

    def _eval_is_extended_real(self) -> bool | None:
        real: bool | None = self.args[0].is_extended_real
        return real


class _Flat(sympy.Function):  # type: ignore[misc]
    """Stands for a step function while it is differentiated."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.S.Zero


_STEPS: Final = (sympy.floor, sympy.ceiling, Rounded)


def steps(expression: Any) -> set[Any]:
    """Return the step functions in an expression."""
    return set(expression.atoms(*_STEPS))


def rounded(value: Any, places: Any = sympy.S.Zero) -> Any:
    """Round to a whole number, or to places."""
    return Rounded(value, places)


def derivative(expression: Any, variable: Any, order: int) -> Any:
    """Differentiate; steps have the derivative 0, wherever they have one."""
    ordered = sorted(steps(expression), key=sympy.count_ops, reverse=True)
    flat = {step: _Flat(*step.args, sympy.Symbol(f"_{place}")) for place, step in enumerate(ordered)}
    found = sympy.diff(expression.xreplace(flat), variable, order)
    for step, stand in flat.items():
        found = found.xreplace({stand: step})
    found = found.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)
    return found.replace(sympy.Heaviside, lambda value, *_: (1 + sympy.sign(value)) / 2)


def jumps_at(expression: Any, variable: Any, place: Any) -> bool:
    """Tell whether something in an expression steps where its variable is at a place."""
    for step in steps(expression):
        if step.args[0].has(variable) and _is_whole(_levels(step).subs(variable, place)):
            return True
    return False


def _is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number; of what sympy cannot tell, by many digits."""
    if value.is_integer is not None or not value.is_number or not value.is_real:
        return bool(value.is_integer)
    return bool(value_at(value - whole_below(value + _HALF), {}) == 0)


def pieces(expression: Any, variable: Any, low: Any, high: Any) -> list[tuple[Any, Any, Any]] | None:
    """Cut an interval where an expression steps.

    Returns:
        What it is between two bounds, and these; None where it has no steps, too many, or its steps are at places
        that cannot be told.
    """
    found = {step for step in steps(expression) if step.has(variable)}
    if not found or not (low.is_finite and high.is_finite and low.is_real and high.is_real):
        return None
    if low > high:
        turned = pieces(expression, variable, high, low)
        return None if turned is None else [(inside, end, start) for inside, start, end in turned]
    places = {low, high}
    for step in found:
        here = _places(_levels(step), variable, low, high)
        if here is None:
            return None
        places |= here
    ordered = sorted(places, key=lambda place: place.evalf(30))
    cut = []
    for start, end in pairwise(ordered):
        middle = (start + end) / 2
        flat = {step: step.subs(variable, middle) for step in found}
        cut.append((expression.xreplace(flat), start, end))
    return cut


def _levels(step: Any) -> Any:
    """Return what a step function steps at whole values of."""
    if isinstance(step, Rounded):
        return step.args[0] * sympy.Integer(10) ** step.args[1] + _HALF
    return step.args[0]


def _places(levels: Any, variable: Any, low: Any, high: Any) -> set[Any] | None:
    slope = sympy.diff(levels, variable)
    if slope.free_symbols or steps(levels) or not slope.is_real or slope.is_zero is not False:
        return None
    start = levels.subs(variable, 0)
    ends = [start + slope * bound for bound in (low, high)]
    if any(not end.is_real for end in ends):
        return None
    first, last = sorted(int(whole_below(end)) for end in ends)
    if last - first > _PIECES:
        return None
    found = {(level - start) / slope for level in range(first, last + 2)}
    return {place for place in found if low < place < high}
