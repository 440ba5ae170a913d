"""Numbers whose digits are certain. Loaded only in a computing process.

Sympy's `evalf` takes what it rounds to 1 for 1: `log(1 + 10^-30)` is 0 to it with 20 digits, and says that this is
right. Here a number counts when computing it with many more digits gives the same.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from sympy.core.evalf import PrecisionExhausted  # type: ignore[import-untyped]

_MORE: Final = (50, 300, 1_500)
_LONG: Final = 1_000
"""Digits of the longest number whose fraction is looked at here."""


def certain(expression: Any, digits: int) -> Any:
    """Return a number, right to so many digits in its larger part.

    Raises:
        PrecisionExhausted: It cannot be found, or told from 0.
    """
    before = _value(expression, digits)
    if expression.has(sympy.CRootOf):  # is closed in on rigorously, and slowly
        return before
    for more in _MORE:
        value = _value(expression, digits + more)
        if _parts(value) is None:
            return value
        apart = abs(value - before)
        if value != 0 and apart <= abs(value) * sympy.Rational(1, 10**digits):
            return value
        before = value
    raise PrecisionExhausted


def _value(expression: Any, digits: int) -> Any:
    return expression.evalf(digits, maxn=2 * digits + 200, strict=True)


def _parts(value: Any) -> Any:
    parts = value.as_real_imag()
    return parts if all(part.is_Float or part.is_Rational for part in parts) else None


def whole_below(value: Any) -> Any:
    """Return the whole number below, which is looked up in certain digits where those can tell."""
    if value.is_Rational or value.free_symbols or not value.is_number or not value.is_real:
        return sympy.floor(value)
    try:
        number = certain(value, 20)
        if abs(number) > 10**_LONG:
            return sympy.floor(value)
        if abs(number) >= 1:  # as many digits as there are before the point, and some
            number = certain(value, 20 + int(sympy.ceiling(sympy.log(abs(number), 10).evalf(10))))
    except PrecisionExhausted:
        return sympy.floor(value)
    below = sympy.floor(number)
    near = min(number - below, below + 1 - number) < sympy.Rational(1, 10**15)
    return sympy.floor(value) if near and abs(number) >= 1 else below


def sign_of(value: Any) -> int | None:
    """Return the sign of a real number where certain digits tell it; None for anything else."""
    if value.is_Rational or value.free_symbols or not value.is_number:
        return None
    try:
        number = certain(value, 15)
    except PrecisionExhausted:
        return None
    return int(sympy.sign(number)) if number.is_real and number.is_Float else None


def contradicted(found: Any, inside: Any, variable: Any, bounds: tuple[Any, Any]) -> bool:
    """Tell whether an integral cannot be what was found, by sums of the integrand: formulas that jump deceive.

    Where two sums do not agree with each other, as near a pole, nothing can be told.
    """
    low, high = (bound.evalf(20) for bound in bounds)
    if found.free_symbols or inside.free_symbols - {variable} or not (low.is_Float or low.is_Rational):
        return False
    if not (high.is_Float or high.is_Rational) or not (found.evalf(20).is_Float or found.is_Rational):
        return False
    coarse, fine = (_summed(inside, variable, low, high, steps) for steps in (90, 143))
    if coarse is None or fine is None:
        return False
    (first, size), second = coarse, fine[0]
    return bool(abs(first - second) < size / 50 and abs(second - found) > size / 10)


def _summed(inside: Any, variable: Any, low: Any, high: Any, steps: int) -> tuple[Any, Any] | None:
    """Return the sum by midpoints, and that of absolute values; None where a value is no real number."""
    width = (high - low) / steps
    values = [inside.evalf(10, subs={variable: low + width * (step + sympy.S.Half)}) for step in range(steps)]
    if not all(value.is_Float or value.is_Rational for value in values):
        return None
    return sum(values) * width, sum(map(abs, values)) * abs(width)
