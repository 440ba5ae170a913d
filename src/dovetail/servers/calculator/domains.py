"""Where an expression has no value, as it was written: `x^2/x` at 0, although it is `x` everywhere else.

Sympy cancels while an expression is built, so what it says of a point is said of another expression. Here the tree
itself is computed at the point, as `calculate` does it. Loaded only in a computing process.
"""

from collections.abc import Mapping
from typing import Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.failures import CalculatorError, TooLarge, TooMuch
from dovetail.servers.calculator.symbolic import Builder, Expr
from dovetail.servers.calculator.tree import Tree
from dovetail.servers.calculator.zeros import value_at

_TINY: Final = sympy.Rational(1, 10**15)
_DIGITS: Final = 40
_LONG: Final = 30
"""Operations up to which a value is put in as it is; a longer one as a number."""
_MANY: Final = 10**6
"""Denominator above which an exponent is a rounded number; roots of so high a degree are not looked at exactly."""
_OTHERS: Final = (sympy.Rational(1371, 1000), sympy.Rational(-2719, 1000), sympy.Rational(613, 1000))
"""What is put in for other names: an expression without a value there may have one elsewhere, so each is tried."""
_LOGARITHMS: Final = frozenset(["log", "log2", "log10"])
LEFT_OUT: Final = (
    "left out: what solves a shorter form, but where the expression as it was written is not defined, such as by a "
    "division by 0"
)


class _Undefined(Exception):
    """An expression has no value at a point. Never leaves this module."""


class _At(Builder):
    """Computes a tree at a point."""

    def __init__(self, values: Mapping[str, Expr], rounded: bool) -> None:
        super().__init__(symbols=True)
        self._values = values
        self._rounded = rounded

    def build(self, tree: Tree) -> Expr:
        made = super().build(tree)
        if tree.kind != "name" and made.has(sympy.nan, sympy.zoo):
            raise _Undefined
        return made

    def _name(self, text: str) -> Expr:
        return self._values[text] if text in self._values else super()._name(text)

    def _invert(self, value: Expr) -> Expr:
        self._not_zero(value)
        return super()._invert(value)

    def power(self, base: Expr, exponent: Expr) -> Expr:
        if exponent.is_extended_negative:
            self._not_zero(base)
        if base.is_Rational and exponent.is_Rational and exponent.q > _MANY:  # sympy would split it, for minutes
            base = base.evalf(_DIGITS)
        return super().power(base, exponent)

    def _call(self, name: str, parts: list[Expr]) -> Expr:
        if name in _LOGARITHMS and parts:
            self._not_zero(parts[0])
        return super()._call(name, parts)

    def _not_zero(self, value: Expr) -> None:
        if value.is_zero:
            raise _Undefined
        if value.is_Rational and not self._rounded:
            return
        number = value_at(value, {})
        if number is not None and abs(number) < (_TINY if self._rounded else sympy.Rational(1, 10**25)):
            raise _Undefined


def defined(trees: list[Tree], values: Mapping[Expr, Expr]) -> bool:
    """Tell whether expressions, or both sides of equations, have values at a point; what cannot be told, has."""
    return any(all(_has_value(tree, values, start) for tree in trees) for start in range(len(_OTHERS)))


def _has_value(tree: Tree, values: Mapping[Expr, Expr], start: int) -> bool:
    if tree.kind == "compare":
        return all(_has_value(part, values, start) for part in tree.parts)
    known = {str(name.name): value for name, value in values.items()}
    inside = {str(name) for value in known.values() for name in value.free_symbols}
    names = sorted((set(tree.names()) | inside) - set(known))
    others = {name: _OTHERS[(start + place) % len(_OTHERS)] + place for place, name in enumerate(names)}
    symbols = {sympy.Symbol(name): value for name, value in others.items()}
    exact = {name: value.subs(symbols) for name, value in known.items()}
    put = {name: _short(value) for name, value in exact.items()}
    rounded = any(put[name] is not value for name, value in exact.items())
    try:
        _At({**others, **put}, rounded).build(tree)
    except (TooLarge, TooMuch):
        return True
    except (CalculatorError, _Undefined):
        return False
    return True


def _short(value: Expr) -> Expr:
    """Return a value that is quick to compute with: itself, or a fraction next to it."""
    if value.is_Rational or not (value.has(sympy.CRootOf, sympy.Float) or sympy.count_ops(value) > _LONG):
        return value
    real, imaginary = value.evalf(_DIGITS).as_real_imag()
    return sympy.Rational(real) + sympy.I * sympy.Rational(imaginary)


def gaps(trees: list[Tree], unknown: Expr) -> tuple[list[Expr], bool]:
    """Find the real places where expressions are not defined, as far as what they divide by tells.

    Returns:
        The places, and whether these are known to be all.
    """
    found: set[Expr] = set()
    complete = True
    for divisor in {one for tree in trees for one in _divisors(tree, unknown)}:
        numerator = sympy.numer(sympy.together(divisor))
        if not numerator.is_polynomial(unknown):
            complete = False
            continue
        polynomial = sympy.Poly(numerator, unknown)
        if not (polynomial.domain.is_ZZ or polynomial.domain.is_QQ):
            complete = False
            continue
        found |= set(polynomial.sqf_part().real_roots())
    places = [place for place in found if not defined(trees, {unknown: place})]
    return sorted(places, key=lambda place: place.evalf(30)), complete


def _divisors(tree: Tree, unknown: Expr) -> set[Expr]:
    """Return what a tree divides by, or takes logarithms of, where the unknown is in it."""
    found = {one for part in tree.parts for one in _divisors(part, unknown)}
    inside = None
    if tree.kind == "invert" or (tree.kind == "call" and tree.text in _LOGARITHMS):
        inside = tree.parts[0]
    elif tree.kind == "modulo" or (tree.kind == "call" and tree.text in ("mod", "quotient")):
        inside = tree.parts[1]
    elif tree.kind == "power" and Builder(symbols=True).build(tree.parts[1]).is_extended_negative:
        inside = tree.parts[0]
    if inside is not None:
        made = Builder(symbols=True).build(inside)
        if made.has(unknown):
            found.add(made)
    return found
