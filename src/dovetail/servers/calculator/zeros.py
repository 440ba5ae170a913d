"""Real zeros of an expression by search, where no way to solve it is known: signs on a grid, then halving."""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Answer
from dovetail.servers.calculator.symbolic import numeric

_GRID: Final = [
    *(sympy.Rational(step * 25) for step in range(-40, -4)),
    *(sympy.Rational(step, 4) for step in range(-400, 401)),
    *(sympy.Rational(step * 25) for step in range(5, 41)),
]
_MOST: Final = 20


def real_zeros(expression: Any, unknown: Any, digits: int) -> list[Answer]:
    """Return the zeros whose sign changes on the grid; found again after no more than `_MOST`."""
    precision = digits + 10
    found: list[Answer] = []
    before: tuple[Any, Any] | None = None
    for point in _GRID:
        value = _sign_at(expression, unknown, point, 20)
        if value == 0:
            found.append(_answer(point, digits))
        elif before is not None and value is not None and before[1] == -value:
            zero = _halved(expression, unknown, before[0], point, precision)
            if zero is not None:
                found.append(_answer(zero, digits))
        before = (point, value) if value else None
        if len(found) == _MOST:
            break
    return found


def _halved(expression: Any, unknown: Any, low: Any, high: Any, precision: int) -> Any:
    """Close in on a zero between two signs; None at a pole, where the values grow instead."""
    low, high = sympy.Float(low, precision), sympy.Float(high, precision)
    sign = _sign_at(expression, unknown, low, precision)
    width = abs(_value_at(expression, unknown, low, precision) or 1)
    for _ in range(int(precision * 3.4) + 10):
        middle = (low + high) / 2
        here = _sign_at(expression, unknown, middle, precision)
        if here is None:
            return None
        if here == 0:
            return middle
        low, high = (middle, high) if here == sign else (low, middle)
    value = _value_at(expression, unknown, low, precision)
    return low if value is not None and abs(value) <= width else None


def _value_at(expression: Any, unknown: Any, point: Any, precision: int) -> Any:
    value = expression.evalf(precision, subs={unknown: point})
    return value if value.is_Float or value.is_Rational else None


def _sign_at(expression: Any, unknown: Any, point: Any, precision: int) -> int | None:
    value = _value_at(expression, unknown, point, precision)
    return None if value is None else int(sympy.sign(value))


def _answer(zero: Any, digits: int) -> Answer:
    real, _ = numeric(sympy.Float(zero, digits + 10), digits)
    return Answer(kind="real", decimal=real)
