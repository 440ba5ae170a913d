"""Systems of polynomials whose roots have no formula: each unknown as a polynomial of a root of one of them.

Loaded only in a computing process.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]

Expr = Any
_DEGREE: Final = 40
"""Of the polynomial whose roots are looked for, at most: each takes time to be told from the others."""


def by_one_root(zeros: list[Expr], unknowns: list[Expr]) -> list[dict[Expr, Expr]] | None:
    """Solve polynomials by the roots of one in one unknown; None where that is no way.

    Returns:
        What may be solutions, and is to be tried.
    """
    if any(one.free_symbols - set(unknowns) or not one.is_polynomial(*unknowns) for one in zeros):
        return None
    for last in unknowns:
        ordered = [one for one in unknowns if one != last] + [last]
        try:
            basis = sympy.groebner(zeros, *ordered, order="lex").exprs
        except sympy.polys.polyerrors.BasePolynomialError:
            return None
        found = _triangle(basis, ordered)
        if found is not None:
            return found
    return None


def _triangle(basis: list[Expr], ordered: list[Expr]) -> list[dict[Expr, Expr]] | None:
    """Read solutions off where one polynomial has the last unknown alone, and each other one its own."""
    last = ordered[-1]
    alone = [one for one in basis if one.free_symbols == {last}]
    if len(alone) != 1:
        return None
    root = sympy.Poly(alone[0], last)
    values = {}
    for unknown in ordered[:-1]:
        own = [one for one in basis if unknown in one.free_symbols and one.free_symbols <= {unknown, last}]
        if len(own) != 1 or sympy.degree(own[0], unknown) != 1 or sympy.Poly(own[0], unknown).LC().free_symbols:
            return None
        values[unknown] = sympy.expand(unknown - own[0] / sympy.Poly(own[0], unknown).LC())
    if root.degree() > _DEGREE or not (root.domain.is_ZZ or root.domain.is_QQ):
        return None
    places = root.sqf_part().all_roots(radicals=False)
    return [{last: place, **{one: value.subs(last, place) for one, value in values.items()}} for place in places]
