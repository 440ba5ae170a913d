"""Equations whose unknown stands in one place, as in formulas of growth: undone from the outside, step by step.

`A = 5000*(1 + r)^t` is `t = log(A/5000)/log(1 + r)`: no search for a formula, which decimals make slow.
Sums, products, powers and exponents are undone, and nothing that has endless branches. What comes out may not be all,
and is to be tried. Loaded only in a computing process.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]

Expr = Any
_DEEP: Final = 64
_FACTORED: Final = 10**12
"""How large numbers may be whose factors are looked for."""


def isolated(zero: Expr, unknown: Expr) -> list[Expr] | None:
    """Return what an unknown may be where an expression is 0: the real roots of powers, the first logarithms.

    Returns:
        None where the unknown stands in several places, or in a function that is not undone here.
    """
    values = [(zero, sympy.S.Zero)]
    for _ in range(_DEEP):
        undone = [_undone(side, value, unknown) for side, value in values]
        if any(one is None for one in undone):
            return None
        values = [pair for one in undone if one is not None for pair in one]
        if all(side == unknown for side, _ in values):
            return [value for _, value in values]
    return None


def _undone(side: Expr, value: Expr, unknown: Expr) -> list[tuple[Expr, Expr]] | None:
    """Undo the outermost step of a side that shall have a value."""
    if side == unknown:
        return [(side, value)]
    holding = [one for one in side.args if one.has(unknown)]
    if len(holding) != 1:
        return None
    inside = holding[0]
    others = [one for one in side.args if one is not inside]
    if side.is_Add:
        return [(inside, value - sympy.Add(*others))]
    if side.is_Mul:
        return [(inside, value / sympy.Mul(*others))]
    if isinstance(side, sympy.exp):
        return [(inside, sympy.log(value))]
    if not side.is_Pow:
        return None
    if inside is side.exp:
        return [(inside, _logarithm(value, side.base))]
    return _root(inside, side.exp, value)


def _logarithm(value: Expr, base: Expr) -> Expr:
    """Return a logarithm, as a fraction where it is one: of 27 to the base 9 it is 3/2."""
    quotient = sympy.log(value) / sympy.log(base)
    if not (value.is_Rational and base.is_Rational and max(value.p, value.q, base.p, base.q) < _FACTORED):
        return quotient
    short = sympy.expand_log(quotient, factor=True)
    return short if short.is_Rational else quotient


def _root(base: Expr, exponent: Expr, value: Expr) -> list[tuple[Expr, Expr]]:
    root = 1 / value if exponent == -1 else value ** (1 / exponent)
    even = exponent.is_Rational and exponent.p % 2 == 0
    return [(base, root), (base, -root)] if even else [(base, root)]
