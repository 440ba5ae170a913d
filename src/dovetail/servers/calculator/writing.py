"""How expressions are written: as our own parser reads them, and where it has no way to say it, in words.

Loaded only in a computing process.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from sympy.printing.str import StrPrinter  # type: ignore[import-untyped]

from dovetail.servers.calculator.functions import FUNCTIONS, KNOWN
from dovetail.servers.calculator.rendering import SHOWN

Expr = Any


def named_roots(expression: Expr) -> str | None:
    """Say of which polynomials an expression has roots in it that have no formula; None without any."""
    of = sorted({str(written(root.expr)) for root in expression.atoms(sympy.CRootOf)})
    return without_formula(of) if of else None


def without_formula(of: list[str]) -> str:
    """Return what is said of the roots of polynomials, which are given as texts."""
    return f"without a formula: by the roots of {', '.join(of)}"


_OTHERWISE: Final = {"e": "exp(1)", "i": "sqrt(-1)", "pi": "acos(-1)", "phi": "((1 + sqrt(5))/2)"}
"""How a constant is written where a variable has its name."""


class _Printer(StrPrinter):  # type: ignore[misc]  # sympy is not typed
    """Writes what our own parser reads."""

    def _print_Relational(self, expression: Expr) -> str:
        sign = {"==": "="}.get(expression.rel_op, expression.rel_op)
        return f"{self._print(expression.lhs)} {sign} {self._print(expression.rhs)}"

    def parenthesize(self, item: Expr, level: int, strict: bool = False) -> str:
        """Put brackets around comparisons that are joined: signs of equality bind no tighter than others."""
        if item.is_Relational:
            return f"({self._print(item)})"
        return str(super().parenthesize(item, level, strict=strict))

    def _print_Piecewise(self, expression: Expr) -> str:
        cases = [
            self._print(value) if holds is sympy.true else f"{self._print(value)} if {self._print(holds)}"
            for value, holds in expression.args
        ]
        return f"({', else '.join(cases)})"

    def _print_Rounded(self, expression: Expr) -> str:
        value, places = expression.args
        return f"round({self._print(value)})" if places == 0 else f"round({self._print(value)}, {places})"

    def __init__(self, variables: frozenset[str]) -> None:
        super().__init__({"order": None})
        self._variables = variables

    def _constant(self, name: str) -> str:
        return _OTHERWISE[name] if name in self._variables else name

    def _print_Exp1(self, expression: Expr) -> str:
        return self._constant("e")

    def _print_ImaginaryUnit(self, expression: Expr) -> str:
        return self._constant("i")

    def _print_Pi(self, expression: Expr) -> str:
        return self._constant("pi")

    def _print_Infinity(self, expression: Expr) -> str:
        return "inf"

    def _print_NegativeInfinity(self, expression: Expr) -> str:
        return "-inf"

    def _print_GoldenRatio(self, expression: Expr) -> str:
        return self._constant("phi")

    def _print_EulerGamma(self, expression: Expr) -> str:
        return "euler_gamma"

    def _print_Catalan(self, expression: Expr) -> str:
        return "catalan"

    def _print_Abs(self, expression: Expr) -> str:
        return f"abs({self._print(expression.args[0])})"

    def _print_RealRoot(self, expression: Expr) -> str:
        value, degree = map(self._print, expression.args)
        return f"cbrt({value})" if degree == "3" else f"root({value}, {degree})"

    def _print_conjugate(self, expression: Expr) -> str:
        return f"conj({self._print(expression.args[0])})"


_READ: Final = {
    "Piecewise": None, "Abs": "abs", "RealRoot": "root", "Rounded": "round", "FallingFactorial": "perm",
}  # fmt: skip
"""Functions that are written with another name than their own; None for what is no function to readers."""


def unread(expression: Expr) -> str | None:
    """Return what is in an expression that our own parser could not read back; None if there is nothing."""
    for one in sympy.preorder_traversal(expression):
        kind = type(one).__name__
        if isinstance(one, sympy.Integral | sympy.Derivative | sympy.Subs | sympy.AccumBounds | sympy.RootSum):
            return kind
        if isinstance(one, sympy.Add | sympy.Mul | sympy.Pow | sympy.Function) and kind != "Piecewise":
            if any(part in (sympy.oo, -sympy.oo) for part in one.args):
                return "inf"
        if isinstance(one, sympy.Function) and not _is_read(kind, len(one.args)):
            return kind
    return None


def _is_read(kind: str, count: int) -> bool:
    name = _READ[kind] if kind in _READ else KNOWN.get(kind) or KNOWN.get(kind.lower(), "")
    return name is None or (name in FUNCTIONS and FUNCTIONS[name].least <= count <= FUNCTIONS[name].most)


def written(expression: Expr) -> str | None:
    """Return an expression as text; None if that is too long to be shown."""
    text: str = _Printer(frozenset(str(one) for one in expression.free_symbols)).doprint(expression)
    return text if len(text) <= SHOWN else None
