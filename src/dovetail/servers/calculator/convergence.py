"""Where an integrand is infinite or has a kink, and whether its integral is infinite by that.

An integral counts as infinite only where the integrand grows as fast as 1/h at a distance of h, and with one sign.
Loaded only in a computing process.
"""

from itertools import pairwise
from typing import Any, Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.roots import RealRoot
from dovetail.servers.calculator.searching import WITHOUT_POLES, real_zeros
from dovetail.servers.calculator.zeros import value_at

Bounds = tuple[Any, Any]
_SAMPLES: Final = 24
_OFF: Final = sympy.Rational(389, 1009)
_NEAR: Final = tuple(sympy.Rational(1, 10**power) for power in (10, 13, 16, 20, 25, 30))
_FASTER: Final = sympy.Rational(9, 10)
"""What `size * distance` keeps of itself, at least, where an integral is infinite."""


def samples(bounds: Bounds) -> list[Any]:
    """Return points between two bounds, which may be infinite, from the lower one on."""
    low, high = sorted(bounds, key=lambda bound: bound.evalf(20))
    shares = [(step + _OFF) / _SAMPLES for step in range(_SAMPLES)]
    if low.is_infinite and high.is_infinite:
        return [(2 * share - 1) / (share * (1 - share)) for share in shares]
    if high.is_infinite:
        return [low + share / (1 - share) for share in shares]
    if low.is_infinite:
        return [high - (1 - share) / share for share in shares]
    return [low + (high - low) * share for share in shares]


def real_between(inside: Any, variable: Any, bounds: Bounds) -> bool:
    """Tell whether an integrand is real between two bounds, wherever it has a value at all."""
    values = [value_at(inside, {variable: point}) for point in samples(bounds)]
    told = [value for value in values if value is not None]
    return bool(told) and all(value.is_real for value in told)


def breaks(inside: Any, variable: Any, bounds: Bounds, search: bool) -> tuple[list[Any], bool]:
    """Find where an integrand may be infinite or have a kink, strictly between two bounds.

    Args:
        inside: The integrand.
        variable: Its variable.
        bounds: In any order.
        search: Whether to look for zeros for which there is no formula, too, which takes a second each.

    Returns:
        The places in order, and whether these are known to be all.
    """
    low, high = sorted(bounds, key=lambda bound: bound.evalf(20))
    for function, quotient in WITHOUT_POLES.items():
        inside = inside.replace(function, quotient)
    found: set[Any] = set()
    complete = True
    for one in _critical(inside, variable):
        here, known = _zeros(one, variable, max(abs(low), abs(high)), search)
        found |= {place for place in here if low < place < high}
        complete = complete and known
    ordered = sorted(found, key=lambda place: place.evalf(30))
    return [place for at, place in enumerate(ordered) if not at or not _same(ordered[at - 1], place)], complete


def _same(one: Any, other: Any) -> bool:
    return bool(abs((one - other).evalf(30)) < sympy.Rational(1, 10**20))


def _critical(inside: Any, variable: Any) -> set[Any]:
    """Return what an integrand divides by, or takes roots, logarithms, sizes or signs of."""
    found = {power.base for power in inside.atoms(sympy.Pow) if power.exp.is_negative or not power.exp.is_integer}
    found |= {one.args[0] for one in inside.atoms(RealRoot, sympy.Abs, sympy.sign, sympy.log)}
    for one in inside.atoms(sympy.Max, sympy.Min):
        found |= {left - right for left, right in pairwise(one.args)}
    return {one for one in found if one.has(variable)}


def _zeros(expression: Any, variable: Any, farthest: Any, search: bool) -> tuple[list[Any], bool]:
    numerator = sympy.numer(sympy.together(expression))
    if numerator.is_polynomial(variable):
        polynomial = sympy.Poly(numerator, variable)
        if polynomial.domain.is_QQ or polynomial.domain.is_ZZ:
            return [_short(one) for one in polynomial.sqf_part().real_roots()], True
    if isinstance(numerator, sympy.exp):
        return [], True
    if not search:
        return [], False
    found = real_zeros(expression, variable, 60)
    reached = max(map(abs, found.places), default=sympy.S.Zero)
    return found.places, not found.interval and bool(farthest < (reached if found.more else 1000))


def _short(place: Any) -> Any:
    return place.evalf(60) if place.has(sympy.CRootOf) else place


def infinite(inside: Any, variable: Any, bounds: Bounds) -> Any:
    """Tell whether the integral of what is real is infinite.

    Returns:
        Infinity with its sign where that is sure; nan where it is infinite without one, None where neither is known.
    """
    places, complete = breaks(inside, variable, bounds, search=True)
    low, high = sorted(bounds, key=lambda bound: bound.evalf(20))
    sides = [(low, 1), *((place, side) for place in places for side in (-1, 1)), (high, -1)]
    signs = {_grows(inside, variable, place, side) for place, side in sides} - {0}
    if not signs:
        return None
    if signs not in ({1}, {-1}) or not complete:
        return sympy.nan
    upwards = (signs == {1}) == (bounds[0] == low)
    return sympy.oo if upwards else -sympy.oo


def _grows(inside: Any, variable: Any, place: Any, side: int) -> int | None:
    """Return the sign with which an integrand is too large next to a place; 0 if it is not, None if it has two."""
    if not place.is_Rational and place.is_finite:
        place = place.evalf(60)
    points = [-side / near if place.is_infinite else place + side * near for near in _NEAR]
    values = [value_at(inside, {variable: point}) for point in points]
    if any(value is None or not value.is_real for value in values):
        return 0
    weights = [near if not place.is_infinite else 1 / near for near in _NEAR]
    sizes = [abs(value) * weight for value, weight in zip(values, weights, strict=True)]
    if not sizes[0] or any(after < before * _FASTER for before, after in pairwise(sizes)):
        return 0
    signs = {int(sympy.sign(value)) for value in values}
    return signs.pop() if len(signs) == 1 else None
