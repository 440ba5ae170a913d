"""Bounds of integrals that are sure: the integrand is bounded on intervals, which are halved until bounds are close.

Sums over points miss what is narrow, and formulas that jump deceive; bounds of whole intervals do neither. Next to
where an integrand is infinite, and far out, it is looked at over the logarithm of the distance; what lies beyond the
last of these (10^-250 of a unit, where rounding allows that) is judged by values at points. Loaded only in a computing
process.
"""

import heapq
import itertools
from itertools import pairwise
from math import exp, inf, log
from time import process_time
from typing import Any, Final

import msgspec
import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.compiled import Compiled, Unknown, compiled
from dovetail.servers.calculator.convergence import Bounds, beyond
from dovetail.servers.calculator.taylor import ORDER, Interval, Series, Unbounded, around, plus, times

_GOALS: Final = (1e-11, 1e-8)
_ENOUGH: Final = 1e-5
"""Widths of bounds, as shares of the integral of the size: where halving ends, first and after half of the time, and
what tells enough."""
_LOOKED: Final = 16
"""Halvings after which it is looked at how close the bounds are."""
_DECADES: Final = (250, 110, 26, 13, 7)
"""How far to go on the scale of logarithms, in powers of ten: the first one at which bounds are found."""
_EDGE: Final = 1e-3


class Enclosed(msgspec.Struct, frozen=True):
    """What an integral is known to be.

    Attributes:
        low: A lower bound.
        high: An upper one.
        size: Of the integral of the absolute value, about.
        places: Where to cut the interval for sums, from the lower bound on: what matters lies between them evenly.
    """

    low: float
    high: float
    size: float
    places: list[float]

    def holds(self, value: Any) -> bool:
        """Tell whether a number may be the integral."""
        slack = self.size * 1e-9
        return bool(self.low - slack <= value <= self.high + slack)


_Cells = list[tuple[float, int, float, float, Interval]]
"""Minus the width of the bounds, the chart's number, from where to where, and the bounds."""


class _Chart(msgspec.Struct, frozen=True):
    """A part of the way, and how it is measured there.

    Attributes:
        of: The integrand, times how fast the way is gone.
        start: The first measure.
        end: The last one.
        place: Of a measure, the place that it stands for.
    """

    of: Compiled
    start: float
    end: float
    place: Any


def enclosed(inside: Any, variable: Any, bounds: Bounds, places: list[Any], seconds: float = 1.5) -> Enclosed | None:
    """Bound an integral.

    Args:
        inside: The integrand, which is real.
        variable: Its variable, a real one.
        bounds: In any order.
        places: Where the integrand is known to be infinite or to bend, in order.
        seconds: Of processor time, for the halving.

    Returns:
        None where no bounds that tell anything are found.
    """
    low, high = sorted(bounds, key=lambda bound: bound.evalf(20))
    if low == high:
        return None
    try:
        charts, rest = _charts(inside, variable, [low, *places, high])
    except (Unknown, OverflowError):
        return None
    if charts is None:
        return None
    found = _halved(charts, seconds)
    if found is None:
        return None
    total = found.low, found.high
    for one in rest:
        total = plus(total, one)
    size = found.size + sum(max(map(abs, one)) for one in rest)
    if not total[1] - total[0] <= _ENOUGH * size:
        return None
    turned = (-total[1], -total[0]) if bounds[0] != low else total
    return Enclosed(*turned, size, found.places)


def _charts(inside: Any, variable: Any, ends: list[Any]) -> tuple[list[_Chart] | None, list[Interval]]:
    """Cut the way; None where an integrand has no bounds next to an end."""
    whole = compiled(inside, variable)
    charts, rest = [], []
    for start, end in pairwise(ends):
        first, last = _core(start, end)
        for place, side, near in ((start, 1, first), (end, -1, last)):
            if place.is_finite and _regular(whole, float(place), near):
                charts.append(_Chart(whole, min(float(place), near), max(float(place), near), _itself))
                continue
            made = _far(inside, variable, place, side, near)
            if made is None:
                return None, []
            charts.append(made[0])
            rest.append(made[1])
        charts.append(_Chart(whole, first, last, _itself))
    return charts, rest


def _itself(measure: float) -> float:
    return measure


def _core(start: Any, end: Any) -> tuple[float, float]:
    """Return between which places a stretch is gone through as it is."""
    if start.is_finite and end.is_finite:
        low, high = float(start), float(end)
        return low + (high - low) * _EDGE, high - (high - low) * _EDGE
    low = float(start) + 1 / 16 if start.is_finite else -2.0
    high = float(end) - 1 / 16 if end.is_finite else 2.0
    if not end.is_finite:
        high = max(2.0, low + 2)
    if not start.is_finite:
        low = min(-2.0, high - 2)
    return low, high


def _regular(whole: Compiled, place: float, near: float) -> bool:
    try:
        low, high = whole(_over(*sorted((place, near))))[0]
    except Unbounded:
        return False
    return abs(low) < inf and abs(high) < inf


def _far(inside: Any, variable: Any, place: Any, side: int, near: float) -> tuple[_Chart, Interval] | None:
    """Measure what is next to an end by the logarithm of its distance."""
    measure = sympy.Dummy("s", real=True)
    outward = 1 if place.is_infinite else -1
    distance = sympy.exp(outward * measure)
    at = -side * distance if place.is_infinite else place + side * distance
    changed = inside.subs(variable, at)
    if place.is_finite:
        changed = _plain(changed, measure)
    changed *= distance
    try:
        of = compiled(changed, measure)
    except Unknown:
        return None
    start = log(abs(near)) if place.is_infinite else -log(abs(near - float(place)))
    for decades in _DECADES:
        reach = decades * log(10)
        edge = _bounded(of, reach) if reach > start + 1 else None
        if edge is None:
            continue
        left = beyond(inside, variable, place, side, decades, edge)
        if left is None:
            continue
        sign, base = (-side, 0.0) if place.is_infinite else (side, float(place))

        def placed(value: float, sign: int = sign, base: float = base) -> float:
            return base + sign * exp(outward * value)

        return _Chart(of, start, reach, placed), left
    return None


def _plain(changed: Any, measure: Any) -> Any:
    """Multiply sums out, so that what cancels next to an end does so before it is rounded."""
    powers = {one: sympy.expand(one) for one in changed.atoms(sympy.Add) if one.is_polynomial(sympy.exp(-measure))}
    return changed.xreplace({one: other for one, other in powers.items() if one != other})


def _bounded(of: Compiled, reach: float) -> Interval | None:
    try:
        low, high = of(_over(reach * (1 - _EDGE), reach))[0]
        edge = of(_over(*around(reach, reach)))[0]
    except Unbounded:
        return None
    return edge if abs(low) < inf and abs(high) < inf else None


def _over(low: float, high: float) -> Series:
    return [(low, high), (1.0, 1.0)]


def _part(of: Compiled, low: float, high: float) -> Interval:
    """Bound the integral over an interval."""
    width = around(high - low, high - low)
    try:
        across = of(_over(low, high))
        rough = times(across[0], width)
    except Unbounded:
        return -inf, inf
    if rough[1] - rough[0] < 1e-290:
        return rough
    try:
        middle = (low + high) / 2
        exact = of(_over(*around(middle, middle)))  # what is halfway may be no floating number
    except Unbounded:
        return rough
    half = around((high - low) / 2, (high - low) / 2)
    total, power = (0.0, 0.0), half
    for place in range(0, ORDER + 1, 2):
        known = exact if place < ORDER else across
        if place < len(known):
            total = plus(total, times(known[place], times(power, around(2 / (place + 1), 2 / (place + 1)))))
        power = times(power, times(half, half))
    if total[0] != total[0] or total[1] != total[1]:
        return rough
    return max(rough[0], total[0]), min(rough[1], total[1])


def _halved(charts: list[_Chart], seconds: float) -> Enclosed | None:
    """Halve intervals, those with the farthest bounds first, until their sum is close or the time is over."""
    heap: _Cells = []
    for at, chart in enumerate(charts):
        if chart.start < chart.end:
            _push(heap, at, chart, chart.start, chart.end)
    started = process_time()
    for count in itertools.count(1):
        _, at, low, high, _ = heap[0]
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if count % _LOOKED == 0:
            used = (process_time() - started) / seconds
            if used > 1 or _close(heap, _GOALS[used > 1 / 2]):
                break
        heapq.heappop(heap)
        for ends in ((low, middle), (middle, high)):
            _push(heap, at, charts[at], *ends)
    if not _close(heap, _ENOUGH):
        return None
    low, high = (sum(one[4][side] for one in heap) for side in (0, 1))
    return Enclosed(*around(low, high), _size(heap), _evenly(heap, charts))


def _push(heap: _Cells, at: int, chart: _Chart, *ends: float) -> None:
    low, high = ends
    part = _part(chart.of, low, high)
    heapq.heappush(heap, (part[0] - part[1], at, low, high, part))


def _size(heap: _Cells) -> float:
    return sum(abs(one[4][0] + one[4][1]) / 2 for one in heap)


def _close(heap: _Cells, share: float) -> bool:
    width = -sum(one[0] for one in heap)
    return width < inf and width <= share * _size(heap)  # infinity is within any share of itself


def _evenly(heap: _Cells, charts: list[_Chart], count: int = 10) -> list[float]:
    """Return places between which the integral of the size is about the same."""
    cells = []
    for _, at, low, high, part in heap:
        ends = sorted((charts[at].place(low), charts[at].place(high)))
        cells.append((ends[0], ends[1], abs(part[0] + part[1]) / 2))
    total, gone = sum(cell[2] for cell in cells), 0.0
    found: list[float] = []
    for low, high, weight in sorted(cells):
        gone += weight
        if total and gone >= total * (len(found) + 1) / count and len(found) < count - 1:
            found.append(high)
            if len(found) == 1 and low not in found:
                found.insert(0, low)
    return sorted(set(found))
