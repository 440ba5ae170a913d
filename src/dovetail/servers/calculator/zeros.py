"""Zeros of expressions as numbers: whether a point is one, and what an expression is at a point.

What cancels to nothing within so many digits is told from a small number by computing it with more: rounding noise is
no solution.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from sympy.core.evalf import PrecisionExhausted  # type: ignore[import-untyped]

_DEEP: Final = 300
"""Digits to which what cannot be told from 0 has been computed."""
_EXACT: Final = 60
"""Digits of what is put in."""
_TINY: Final = sympy.Rational(1, 10**20)
_TINY_OF_ROOTS: Final = sympy.Rational(1, 10**12)
_POINTS: Final = tuple(sympy.Rational(top, 1009) for top in (741, -1283, 2017, -389))


def identical(expression: Any) -> bool:
    """Tell whether an expression with names in it is 0 whatever they are, wherever it is defined."""
    names = sorted(expression.free_symbols, key=str)
    if not names:
        return bool(expression.is_zero)
    told = False
    for start in range(len(_POINTS)):
        here = {name: _POINTS[(start + place) % len(_POINTS)] + place for place, name in enumerate(names)}
        value = value_at(expression, here)
        if value is not None and value != 0:
            return False
        told = told or value is not None
    if expression.is_rational_function(*names):  # only now: this takes seconds where powers are high
        return bool(sympy.cancel(sympy.together(expression)) == 0)
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


def value_at(expression: Any, values: dict[Any, Any], digits: int = 5, deep: int = _DEEP) -> Any:
    """Return a number right to so many digits; 0 if that is all that can be told, None where it is undefined.

    Args:
        expression: With names in it.
        values: What the names are.
        digits: That shall be right.
        deep: Digits with which parts of it may be computed, where they cancel.
    """
    try:
        return _number(expression.evalf(digits, subs=values, maxn=deep, strict=True))
    except PrecisionExhausted:
        if any(value_at(one.args[0], values) == 0 for one in expression.atoms(sympy.log)):
            return None  # rounding would make a logarithm of what is next to 0
        value = _number(expression.evalf(_EXACT, subs=values, maxn=_DEEP))
        return sympy.S.Zero if value is not None and abs(value) < _TINY else value
    except (TypeError, ValueError, ZeroDivisionError):  # sympy's, where a function of an infinity is taken
        return None


def _number(value: Any) -> Any:
    if value.has(sympy.nan, sympy.zoo, sympy.oo) or value.free_symbols:
        return None
    return value if all(part.is_Float or part.is_Rational for part in value.as_real_imag()) else None
