"""Zeros of expressions as numbers: whether a point is one, and a search for real ones by signs on a grid, then halving.

What cancels to nothing within so many digits is told from a small number by computing it with more: rounding noise is
no solution.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from sympy.core.evalf import PrecisionExhausted  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Answer
from dovetail.servers.calculator.symbolic import numeric

_GRID: Final = [
    *(sympy.Rational(step * 25) for step in range(-40, -4)),
    *(sympy.Rational(step, 4) for step in range(-400, 401)),
    *(sympy.Rational(step * 25) for step in range(5, 41)),
]
_MOST: Final = 20
_DEEP: Final = 300
"""Digits to which what cannot be told from 0 has been computed."""
_EXACT: Final = 60
"""Digits of what is put in."""
_SHRUNK: Final = sympy.Rational(1, 100_000)
_TINY: Final = sympy.Rational(1, 10**20)
_TINY_OF_ROOTS: Final = sympy.Rational(1, 10**12)
_POINTS: Final = tuple(sympy.Rational(top, 1009) for top in (741, -1283, 2017, -389))


def identical(expression: Any) -> bool:
    """Tell whether an expression with names in it is 0 whatever they are, wherever it is defined."""
    names = sorted(expression.free_symbols, key=str)
    if not names:
        return bool(expression.is_zero)
    if expression.is_rational_function(*names):
        return bool(sympy.cancel(sympy.together(expression)) == 0)
    told = False
    for start in range(len(_POINTS)):
        here = {name: _POINTS[(start + place) % len(_POINTS)] + place for place, name in enumerate(names)}
        value = value_at(expression, here)
        if value is not None and value != 0:
            return False
        told = told or value is not None
    return told


def fulfils(expressions: list[Any], values: dict[Any, Any]) -> bool:
    """Tell whether expressions are 0 at a point, and nothing in them is divided by 0 there."""
    slow = any(value.has(sympy.CRootOf) for value in values.values())  # many digits of these take seconds
    tiny, digits = (_TINY_OF_ROOTS, 20) if slow else (_TINY, _EXACT)
    numbers = {name: value if value.is_Rational else value.evalf(digits) for name, value in values.items()}
    return not any(_divides(one, numbers, tiny) for one in expressions) and all(
        _is_zero_at(one, numbers, tiny) for one in expressions
    )


def _divides(expression: Any, numbers: dict[Any, Any], tiny: Any) -> bool:
    for power in expression.atoms(sympy.Pow):
        if power.exp.could_extract_minus_sign() and power.base.free_symbols and _is_zero_at(power.base, numbers, tiny):
            return True
    return False


def _is_zero_at(expression: Any, numbers: dict[Any, Any], tiny: Any) -> bool:
    """Tell whether an expression is 0 where its names are these numbers; not where it is undefined.

    What remains of a sum is compared with its terms: rounding leaves more of large ones.
    """
    if expression.is_Mul:
        return any(_is_zero_at(factor, numbers, tiny) for factor in expression.args)
    if expression.is_Pow and expression.exp.is_positive:
        return _is_zero_at(expression.base, numbers, tiny)
    value = _number(expression.evalf(_EXACT, subs=numbers))
    if value is None or value == 0 or expression.is_Symbol:
        return bool(value is not None and value == 0)
    terms = [_number(term.evalf(_EXACT, subs=numbers)) for term in expression.args if expression.is_Add]
    scale = max([abs(term) for term in terms if term is not None], default=sympy.S.One)
    return bool(abs(value) <= tiny * scale)


def value_at(expression: Any, values: dict[Any, Any]) -> Any:
    """Return a number right to a few digits; 0 if that is all that can be told, None where it is undefined."""
    try:
        return _number(expression.evalf(5, subs=values, maxn=_DEEP, strict=True))
    except PrecisionExhausted:
        value = _number(expression.evalf(_EXACT, subs=values, maxn=_DEEP))
        return sympy.S.Zero if value is not None and abs(value) < _TINY else value


def _number(value: Any) -> Any:
    if value.has(sympy.nan, sympy.zoo, sympy.oo) or value.free_symbols:
        return None
    return value if all(part.is_Float or part.is_Rational for part in value.as_real_imag()) else None


def real_zeros(expression: Any, unknown: Any, digits: int) -> tuple[list[Answer], bool]:
    """Search for real zeros.

    Returns:
        Those whose sign changes on the grid, at most about `_MOST`, and whether there are whole intervals of them.
    """
    precision = max(digits, 15) + 10
    found: list[Any] = []
    before: tuple[Any, int] | None = None
    run: list[Any] = []
    interval = False
    for point in [*_GRID, None]:
        sign = None if point is None else _sign_at(expression, unknown, point)
        if sign == 0:
            run.append(point)
            continue
        if len(run) == 1:
            found.append(run[0])
        elif run:  # 0 as far as can be told: an interval, or something like tanh(x) - 1
            interval = interval or all(_proven(expression.subs(unknown, each)) for each in run[:2])
        elif before is not None and sign == -before[1]:
            found.append(_halved(expression, unknown, before[0], point, precision))
        run, before = [], None if sign is None else (point, sign)
        if len(found) >= _MOST:
            break
    good = [zero for zero in found if zero is not None and not _pole(expression, unknown, zero, precision)]
    return [_answer(zero, digits) for zero in good], interval


def _proven(value: Any) -> bool:
    return bool(value == 0 or sympy.simplify(sympy.expand_log(value, force=True)) == 0)


def _halved(expression: Any, unknown: Any, low: Any, high: Any, precision: int) -> Any:
    """Close in on a zero between two signs; None at a pole or a step, where the values do not become small."""
    low, high = sympy.Float(low, precision), sympy.Float(high, precision)
    sign = _sign_at(expression, unknown, low)
    far = max(_size_at(expression, unknown, low), _size_at(expression, unknown, high))
    for _ in range(int(precision * 3.4) + 10):
        middle = (low + high) / 2
        here = _sign_at(expression, unknown, middle)
        if here is None:
            return None
        if here == 0:
            return middle
        low, high = (middle, high) if here == sign else (low, middle)
    near = max(_size_at(expression, unknown, low), _size_at(expression, unknown, high))
    return low if near <= far * _SHRUNK else None


def _pole(expression: Any, unknown: Any, zero: Any, precision: int) -> bool:
    """Tell whether a divisor is 0 at what was found: there is a gap then, and no zero."""
    small = sympy.Rational(1, 10 ** (precision - 5))
    for power in expression.atoms(sympy.Pow):
        if power.exp.could_extract_minus_sign() and power.base.has(unknown):
            value = value_at(power.base, {unknown: zero})
            if value is None or abs(value) < small:
                return True
    return False


def _size_at(expression: Any, unknown: Any, point: Any) -> Any:
    value = value_at(expression, {unknown: point})
    return sympy.oo if value is None else abs(value)


def _sign_at(expression: Any, unknown: Any, point: Any) -> int | None:
    value = value_at(expression, {unknown: point})
    return None if value is None or not value.is_real else int(sympy.sign(value))


def _answer(zero: Any, digits: int) -> Answer:
    real, _ = numeric(sympy.Float(zero, digits + 10), digits)
    return Answer(kind="real", decimal=real)
