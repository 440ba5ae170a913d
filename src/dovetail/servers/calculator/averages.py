"""What oscillates far out, averaged: an integral to infinity that has bounds nowhere may have a value all the same.

The integrand is faded out more and more slowly. Where the result stays the same and is what a formula says, that is
right; of what does not oscillate, or grows, it does not stay so. Loaded only in a computing process.
"""

from itertools import pairwise
from math import exp, inf
from typing import Any, Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.compiled import Compiled, Unknown, compiled
from dovetail.servers.calculator.convergence import Bounds
from dovetail.servers.calculator.taylor import Unbounded

_REACHES: Final = (54.0, 81.0, 121.0)
"""How far out the integrand has gone out."""
_CLOSE: Final = 1e-4
_CELL: Final = 1 / 32
_FINE: Final = 45
"""Halvings of the first cell, next to where the integrand may be infinite."""
_GAUSS: Final = (
    (0.18343464249564980, 0.36268378337836198),
    (0.52553240991632899, 0.31370664587788729),
    (0.79666647741362674, 0.22238103445337447),
    (0.96028985649753623, 0.10122853629037626),
)


def averaged(inside: Any, variable: Any, bounds: Bounds, value: Any) -> bool:
    """Tell whether a value is the integral of what oscillates to infinity; false where that cannot be told."""
    low, high = sorted(bounds, key=lambda bound: bound.evalf(20))
    if low.is_finite and high.is_finite:
        return False
    expected = float(value if bounds[0] == low else -value)
    sides = [(sympy.S.Zero if low.is_infinite and high.is_infinite else low if low.is_finite else high, side)
             for side, end in ((1, high), (-1, low)) if end.is_infinite]  # fmt: skip
    try:
        ways = [compiled(inside.subs(variable, at + side * variable), variable) for at, side in sides]
        totals = [sum(_faded(way, reach) for way in ways) for reach in _REACHES]
    except (Unknown, Unbounded, OverflowError):
        return False
    further = [  # where the rest is a share of the reach, as of (1 - cos(x))/x^2
        (far * after - near * before) / (far - near)
        for (near, before), (far, after) in pairwise(zip(_REACHES, totals, strict=True))
    ]
    return any(
        all(abs(one - expected) <= _CLOSE * (1e-2 + abs(expected)) for one in some) for some in (totals, further)
    )


def _faded(function: Compiled, reach: float) -> float:
    """Integrate from 0 to where it has faded out."""
    ends = [_CELL / 2**step for step in range(_FINE, 0, -1)]
    ends += [_CELL * step for step in range(1, int(reach / _CELL) + 1)]
    total, start = 0.0, 0.0
    for end in ends:
        middle, half = (start + end) / 2, (end - start) / 2
        for share, weight in _GAUSS:
            for place in (middle - half * share, middle + half * share):
                total += half * weight * _left(place / reach) * _at(function, place)
        start = end
    return total


def _at(function: Compiled, place: float) -> float:
    low, high = function([(place, place)])[0]
    if abs(low) == inf or abs(high) == inf:
        raise Unbounded
    return (low + high) / 2


def _left(share: float) -> float:
    """Fade from 1 to 0, so smoothly that what oscillates leaves nothing."""
    gone = (share - 0.1) / 0.9
    if gone <= 0:
        return 1.0
    if gone >= 1:
        return 0.0
    above, below = exp(-1 / (1 - gone)), exp(-1 / gone)
    return above / (above + below)
