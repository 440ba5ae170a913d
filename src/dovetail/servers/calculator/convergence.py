"""Where an integrand is infinite or has a kink, and whether its integral is infinite by that.

An integral counts as infinite only where the integrand grows as fast as 1/h at a distance of h, however small, and with
one sign.
Loaded only in a computing process.
"""

from itertools import pairwise
from math import log
from typing import Any, Final, Literal

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.roots import RealRoot
from dovetail.servers.calculator.searching import WITHOUT_POLES, real_zeros
from dovetail.servers.calculator.zeros import value_at

Bounds = tuple[Any, Any]
Growth = Literal["up", "down", "stays", "not known"]
"""Whether an integrand grows so fast next to a place that its integral is infinite, with which sign, or not at all."""
_SAMPLES: Final = 24
_OFF: Final = sympy.Rational(389, 1009)
_NEAR: Final = tuple(sympy.Rational(1, 10**power) for power in (10, 13, 16, 20, 25, 30))
_DEEP: Final = 300
"""Digits with which parts of a value are computed there, where they cancel."""
_APART: Final = 60
"""Digits of values there: with fewer of them, 1 + 10^-30 is 1, and its logarithm 0."""
_FASTER: Final = sympy.Rational(9, 10)
"""What `size * distance` keeps of itself, at least, where an integral may be infinite."""
_FAR: Final = (100, 1_000, 10_000)
_FAR_BESIDE: Final = (250, 1_000, 4_000)
_FAR_OF_POWERS: Final = (30, 100, 1_000)
"""Powers of ten, next to 0 or infinity, next to other places, and for what grows by `_MUCH`: from values at 10^-30
alone, h^-0.999 cannot be told from 1/h, and log(h)/h^0.99 grows even faster."""
_FAR_OF_ROUNDED: Final = (13, 20, 30)
"""Next to a place that is known to 60 digits: farther, it is not the place any more."""
_MUCH: Final = 10**15
_SAME: Final = sympy.Rational(1, 10**9)
"""By how much `size * distance` may differ between those, as a share, where an integrand is as 1/h."""
_MORE: Final = sympy.Rational(101, 100)
_AS_MUCH: Final = sympy.Rational(95, 100)
"""What grows as a power of a logarithm grows by one factor from one to the next, and by this share of it at least."""
_STAYS: Final = sympy.Rational(3, 5)
"""What it keeps of itself, at most, where an integral is finite."""
_BETWEEN: Final = tuple(sympy.Rational(share, 1009) for share in (1009, 853, 607, 401))
_SLACK: Final = 1e-6
_FALLS: Final = 0.6
"""What it keeps of itself, at most, over three powers of ten, for the rest of an integral to be told from it."""
_NOTHING: Final = sympy.Rational(1, 10**150)


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
        found |= {place for place in here if low < place < high and not _same(low, place) and not _same(place, high)}
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
        if polynomial.degree() == 1:
            place = -polynomial.coeffs()[1] / polynomial.LC() if len(polynomial.coeffs()) > 1 else sympy.S.Zero
            return ([place] if place.is_real else []), place.is_real is not None
    if isinstance(numerator, sympy.exp):
        return [], True
    if not search:
        return [], False
    found = real_zeros(expression, variable, 60)
    reached = max(map(abs, found.places), default=sympy.S.Zero)
    return found.places, not found.interval and bool(farthest < (reached if found.more else 1000))


def _short(place: Any) -> Any:
    return place.evalf(60) if place.has(sympy.CRootOf) else place


def infinite(inside: Any, variable: Any, bounds: Bounds, search: bool = True) -> Any:
    """Tell whether the integral of what is real is infinite.

    Args:
        inside: The integrand.
        variable: Its variable.
        bounds: In any order.
        search: Whether to look for poles for which there is no formula, too.

    Returns:
        Infinity with its sign where that is sure; nan where it is infinite with another one on another side, or may be
        so where it was not looked or cannot be told; None where neither is known.
    """
    places, complete = breaks(inside, variable, bounds, search)
    low, high = sorted(bounds, key=lambda bound: bound.evalf(20))
    sides = [(low, 1), *((place, side) for place in places for side in (-1, 1)), (high, -1)]
    told = {_growth(inside, variable, place, side) for place, side in sides} - {"stays"}
    if told.isdisjoint(("up", "down")):
        return None
    if len(told) > 1 or not complete:
        return sympy.nan
    upwards = (told == {"up"}) == (bounds[0] == low)
    return sympy.oo if upwards else -sympy.oo


def beyond(
    inside: Any, variable: Any, place: Any, side: int, decades: int, edge: tuple[float, float]
) -> tuple[float, float] | None:
    """Bound what the integral is nearer to a place than a power of ten, or farther out, by values there.

    Args:
        inside: The integrand.
        variable: Its variable.
        place: Where it may be infinite, or infinity.
        side: 1 where it is looked at above the place, -1 below.
        decades: Which power of ten.
        edge: Bounds of value times distance at that distance, with which the first of the values has to agree.

    Returns:
        None where the values do not fall fast enough for that to be told.
    """
    near = [sympy.Rational(1, 10 ** (decades + 3 * step)) for step in range(4)]
    values = [_value(inside, variable, place, side, one) for one in near]
    if any(value is None for value in values):
        return None
    sizes = [value / one if place.is_infinite else value * one for value, one in zip(values, near, strict=True)]
    slack = float(abs(sizes[0])) * _SLACK + float(_NOTHING)
    if not edge[0] - slack <= float(sizes[0]) <= edge[1] + slack:
        return None
    if all(abs(size) < _NOTHING for size in sizes):
        return -float(_NOTHING), float(_NOTHING)
    shares = [float(after / before) if before else 1.0 for before, after in pairwise(sizes)]
    if any(abs(share) > _FALLS for share in shares):
        return None
    last = abs(float(sizes[0]))
    if min(shares) <= 0 or max(shares) > min(shares) * 1.05:
        return -4 * last, 4 * last
    whole = float(sizes[0]) * log(1000) / -log(shares[0])  # of a power of the distance, this is the integral
    return whole - abs(whole) / 20, whole + abs(whole) / 20


def _value(inside: Any, variable: Any, place: Any, side: int, near: Any, digits: int = 5, deep: int = _DEEP) -> Any:
    """Return the real value at a distance; None without one."""
    point = -side / near if place.is_infinite else place + side * near
    value = value_at(inside, {variable: point}, digits, deep)
    return value if value is not None and value.is_real else None


def _growth(inside: Any, variable: Any, place: Any, side: int) -> Growth:
    """Tell how an integrand grows next to a place.

    Between the places of `_NEAR` it is looked at, too: what oscillates has another sign at one of them. What has no
    value, and what falls so slowly that it may be infinite all the same, as 1/(h*log(h)) does, is not known.
    """
    signs: set[int] = set()
    sizes = [_size(inside, variable, place, side, near, _APART, _DEEP, signs) for near in _NEAR]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return "not known"
    if all(after <= before * _STAYS for before, after in pairwise(known)):
        return "stays"
    if signs not in ({1}, {-1}) or any(after < before * _FASTER for before, after in pairwise(known)):
        return "not known"
    beside = not (place.is_infinite or place == 0)
    far = _FAR_OF_POWERS if known[-1] > known[0] * _MUCH else _FAR_BESIDE if beside else _FAR
    far = _FAR_OF_ROUNDED if place.has(sympy.Float) else far
    sizes = [
        _size(inside, variable, place, side, sympy.Rational(1, 10**power), digits, _DEEP + 3 * power, signs)
        for power, digits in ((power, _APART + beside * power) for power in far)
    ]
    if len(signs) > 1 or not _goes_on(*sizes):
        return "not known"
    return "up" if signs == {1} else "down"


def _goes_on(first: Any, second: Any, third: Any) -> bool:
    """Tell whether sizes times distances, at distances that are powers of each other, will never fall."""
    if not (first and second and third):
        return False
    once, again = second / first, third / second
    if abs(once - 1) < _SAME:
        return bool(abs(again - 1) < _SAME)
    return bool(once > _MORE and again >= once * _AS_MUCH)


def _size(inside: Any, variable: Any, place: Any, side: int, near: Any, digits: int, deep: int, signs: set[int]) -> Any:
    """Return the largest size around a distance, times that distance; None where one has no value. Adds the signs."""
    values = [_value(inside, variable, place, side, near * share, digits, deep) for share in _BETWEEN]
    if any(value is None for value in values):
        return None
    signs |= {int(sympy.sign(value)) for value in values}
    return max(map(abs, values)) * (1 / near if place.is_infinite else near)
