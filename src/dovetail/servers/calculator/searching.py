"""A search for real zeros: by signs on a grid, then halving; and by where the size is least: `abs(sin(x)) - 1`.

The nearest to 0 come first. What is found is a zero of the expression itself: at a pole or a step the values do not
become small, and where a divisor is 0 there is a gap. Loaded only in a computing process.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

import msgspec
import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Answer, rational
from dovetail.servers.calculator.symbolic import numeric
from dovetail.servers.calculator.zeros import value_at

GRID: Final = [
    *(sympy.Rational(step * 5) for step in range(-200, -20)),
    *(sympy.Rational(step, 4) for step in range(-400, 401)),
    *(sympy.Rational(step * 5) for step in range(21, 201)),
]
MOST: Final = 20
"""Zeros that are looked for."""
_TOUCHING: Final = 40
"""Places at most where the size is least that are looked at closely."""
_BESIDE: Final = sympy.Rational(1, 1024)
_SHRUNK: Final = sympy.Rational(1, 100_000)
_SMALLER: Final = sympy.Rational(1, 4)
"""Share to which a size comes down in a few steps; it does so slowly at a root of a root."""
_FEW: Final = 12
_SMALL: Final = sympy.Rational(1, 10**6)
WITHOUT_POLES: Final = {
    sympy.tan: lambda angle: sympy.sin(angle) / sympy.cos(angle),
    sympy.cot: lambda angle: sympy.cos(angle) / sympy.sin(angle),
    sympy.sec: lambda angle: 1 / sympy.cos(angle),
    sympy.csc: lambda angle: 1 / sympy.sin(angle),
}


class Found(msgspec.Struct, frozen=True):
    """What a search found.

    Attributes:
        zeros: From the least to the greatest, at most `MOST`.
        places: The same, as sympy's numbers.
        interval: Whether it is 0 on whole intervals.
        more: Whether there are more signs of zeros, which were not followed.
    """

    zeros: list[Answer]
    places: list[Any]
    interval: bool
    more: bool


class _Cell(msgspec.Struct, frozen=True):
    """Where a zero may be: at a point of the grid, between two signs, or around where the size is least."""

    low: Any
    high: Any
    touching: bool = False

    def distance(self) -> Any:
        return abs(self.low + self.high)


def real_zeros(expression: Any, unknown: Any, digits: int) -> Found:
    """Search between -1,000 and 1,000."""
    real = sympy.Symbol(unknown.name, real=True)
    search = _Search(expression.subs(unknown, real), real, max(digits, 15) + 10)
    cells, interval = search.cells()
    found: list[Any] = []
    more = False
    for cell in sorted(cells, key=_Cell.distance):
        if len(found) >= MOST:
            more = True
            break
        zero = search.zero(cell)
        if zero is not None:
            found.append(zero)
    found.sort()
    return Found([search.answer(zero, digits) for zero in found], found, interval, more)


class _Search:
    def __init__(self, given: Any, unknown: Any, precision: int) -> None:
        self._given = given
        self._expression = expression = _without_poles(given)
        self._unknown = unknown
        self._precision = precision
        self._steps = int(precision * 3.4) + 10
        self._touched = 0
        slope = sympy.diff(expression, unknown)
        self._slope = None if slope.has(sympy.Derivative, sympy.Subs, sympy.DiracDelta) else slope

    def cells(self) -> tuple[list[_Cell], bool]:
        """Return where zeros may be, and whether there are whole intervals of them."""
        points = [(point, self._at(point)) for point in GRID]
        runs = _runs(points)
        interval = any(
            all(self._proven(place) for place, _ in run[:2]) for run in runs if len(run) > 1 and run[0][1] == 0
        )
        beside: list[tuple[Any, Any]] = []
        for run in runs:
            if len(run) == 1 and not run[0][1]:  # next to a zero on the grid, or to a pole, there may be a second one
                place = run[0][0]
                beside += [(each, self._at(each)) for each in (place - _BESIDE, place + _BESIDE)]
        lone = [_Cell(run[0][0], run[0][0]) for run in runs if len(run) == 1 and run[0][1] == 0]
        ordered = sorted(points + beside)
        return lone + self._between(ordered), interval

    def _between(self, points: list[tuple[Any, Any]]) -> list[_Cell]:
        cells = []
        for (low, first), (high, second) in pairwise(points):
            if first and second and (first > 0) != (second > 0):
                cells.append(_Cell(low, high))
        for before, (_, middle), after in zip(points, points[1:], points[2:], strict=False):
            if not (before[1] and middle and after[1]) or self._slope is None:
                continue
            same = (before[1] > 0) == (middle > 0) == (after[1] > 0)
            if same and abs(middle) <= min(abs(before[1]), abs(after[1])):
                cells.append(_Cell(before[0], after[0], touching=True))
        return cells

    def zero(self, cell: _Cell) -> Any:
        """Return the zero of a cell; None if there is none in it."""
        if cell.low == cell.high:
            return None if self._gap(cell.low) else cell.low
        if cell.touching:
            self._touched += 1
            found = self._touch(cell) if self._touched <= _TOUCHING else None
        else:
            found = self._crossing(cell)
        return None if found is None or self._gap(found) else found

    def _crossing(self, cell: _Cell) -> Any:
        """Find where the sign changes, if that is at no pole and no step; most of those show after a few steps."""
        first = self._halved(self._expression, cell, _FEW)
        if first is None or not self._shrank(first, cell, _SMALLER):
            return None
        last = self._halved(self._expression, cell, self._steps)
        return last if last is not None and self._shrank(last, cell, _SHRUNK) else None

    def _touch(self, cell: _Cell) -> Any:
        """Find where the slope is 0, and the expression, too; most are given up after a few steps."""
        first = self._halved(self._slope, cell, _FEW)
        if first is None or not self._shrank(first, cell, _SMALLER):
            return None
        last = self._halved(self._slope, cell, self._steps)
        small = sympy.Rational(1, 10 ** (self._precision - 8))
        return last if last is not None and self._shrank(last, cell, small) else None

    def _halved(self, function: Any, cell: _Cell, steps: int) -> Any:
        """Close in on a change of sign; None where there is none, or no value."""
        low, high = (sympy.Float(end, self._precision) for end in (cell.low, cell.high))
        sign, other = self._at(low, function), self._at(high, function)
        if not sign or not other or (sign > 0) == (other > 0):
            return None
        for _ in range(steps):
            middle = (low + high) / 2
            here = self._at(middle, function)
            if here is None:
                return None
            if here == 0:
                return middle
            low, high = (middle, high) if (here > 0) == (sign > 0) else (low, middle)
        return low

    def _shrank(self, place: Any, cell: _Cell, share: Any) -> bool:
        """Tell whether the size is a small share of that around; at a pole or a step it is not."""
        sizes = [self._at(end) for end in (cell.low, cell.high)]
        value = self._at(place)
        return value is not None and bool(abs(value) <= max(abs(size) for size in sizes if size is not None) * share)

    def _gap(self, zero: Any) -> bool:
        """Tell whether a divisor is 0 at what was found: there is a gap then, and no zero."""
        given = self._at(zero, self._given)
        if given is None or abs(given) > _SMALL:
            return True
        small = sympy.Rational(1, 10 ** (self._precision - 5))
        for power in self._given.atoms(sympy.Pow):
            if power.exp.could_extract_minus_sign() and power.base.has(self._unknown):
                value = value_at(power.base, {self._unknown: zero})
                if value is None or abs(value) < small:
                    return True
        return False

    def _at(self, point: Any, function: Any = None) -> Any:
        """Return the real value at a point; None where there is none."""
        if self._slope is None and point.is_Rational:  # digits of steps are slow, fractions are not
            exact = (function or self._expression).xreplace({self._unknown: point})
            if exact.is_Rational:
                return exact
        digits = self._precision if function is self._slope else 5  # a slope may be the sign of what is nearly 0
        value = value_at(self._expression if function is None else function, {self._unknown: point}, digits)
        return value if value is not None and value.is_real else None

    def _proven(self, point: Any) -> bool:
        value = self._expression.subs(self._unknown, point)
        return bool(value == 0 or sympy.simplify(sympy.expand_log(value, force=True)) == 0)

    def answer(self, zero: Any, digits: int) -> Answer:
        """Return a zero as an answer, exact where it was met on the grid."""
        if zero == 0 or (zero.is_Rational and self._proven(zero)):
            return rational(Fraction(int(zero.p), int(zero.q)) if zero.is_Rational else Fraction(0), digits)
        real, _ = numeric(sympy.Float(zero, digits + 10), digits)
        return Answer(kind="real", decimal=real)


def _without_poles(expression: Any) -> Any:
    """Return the numerator: next to a pole, such as of `tan(x)`, a zero would not show on the grid."""
    for function, written in WITHOUT_POLES.items():
        expression = expression.replace(function, written)
    return sympy.fraction(sympy.together(expression))[0]


def _runs(points: list[tuple[Any, Any]]) -> list[list[tuple[Any, Any]]]:
    """Put points next to each other together if they are zeros, or have no value, and every other one alone."""
    runs: list[list[tuple[Any, Any]]] = []
    for point in points:
        if runs and (point[1] == runs[-1][-1][1]) and not point[1]:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs
