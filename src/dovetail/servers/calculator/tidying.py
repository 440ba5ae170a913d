"""Results in their shorter form, as far as that is cheap to find. Loaded only in a computing process."""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]

Expr = Any
_TIDY: Final = 200
"""Operations up to which a result is simplified on its own."""


def shorter(value: Expr) -> Expr:
    """Multiply out what is a number, where that is no longer: (1 + sqrt(2))*(1 - sqrt(2)) is -1."""
    powers = value.atoms(sympy.Pow)
    if value.is_Rational or not value.is_number or sympy.count_ops(value) > _TIDY or any(map(_long, powers)):
        return value
    expanded = sympy.radsimp(sympy.expand(value))
    return expanded if sympy.count_ops(expanded) <= sympy.count_ops(value) else value


def _long(power: Expr) -> bool:
    """Tell whether a power would be long when multiplied out."""
    return bool(power.base.is_Add and power.exp.is_Rational and abs(power.exp) > 12)


def tidy(value: Expr) -> Expr:
    """Simplify, where that makes it shorter."""
    if not hasattr(value, "free_symbols") or value.is_Rational or sympy.count_ops(value) > _TIDY:
        return value
    try:
        simpler = sympy.simplify(value)
    except (RuntimeError, TypeError, ValueError):  # sympy's, of functions that it has found itself
        return value
    return simpler if sympy.count_ops(simpler) <= sympy.count_ops(value) else value
