"""Roots of polynomials that have no formula: as numbers, each proved to be there, and none missed.

Up to a degree all roots are found, complex ones too: around each approximation there is a disc, and discs that do not
meet hold one root each (Smith's bound). Beyond it the real ones are, which Sturm's and Descartes' rules tell apart.
Loaded only in a computing process.
"""

from typing import Any, Final

import mpmath  # type: ignore[import-untyped]
import msgspec
import sympy  # type: ignore[import-untyped]

Expr = Any
_ALL: Final = 40
"""Degree up to which all roots are looked for."""
_REAL: Final = 400
"""Degree up to which real ones are."""
_BY_FORMULA: Final = 4
_TRIES: Final = 3


class Root(msgspec.Struct, frozen=True):
    """A root: an expression, or numbers for its parts.

    Attributes:
        value: What it is, to put in.
        exact: Whether that is exact.
        of: The factor that it is a root of.
    """

    value: Expr
    exact: bool
    of: Expr


class Roots(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        roots: Real ones first, from the least to the greatest.
        real: Whether only real ones were looked for.
    """

    roots: list[Root]
    real: bool


def roots_without_formula(zero: Expr, unknown: Expr, digits: int) -> Roots | None:
    """Return the roots of a rational function's numerator; None if there are formulas, or no way to be sure of all."""
    if zero.free_symbols != {unknown} or not zero.is_rational_function(unknown):
        return None
    polynomial = sympy.Poly(sympy.numer(sympy.together(zero)), unknown)
    if not (polynomial.domain.is_ZZ or polynomial.domain.is_QQ) or not _BY_FORMULA < polynomial.degree() <= _REAL:
        return None
    whole = polynomial.clear_denoms(convert=True)[1].primitive()[1]
    if len(whole.terms()) == 2:
        return None
    if whole.degree() > _ALL:
        return Roots(_real_roots(whole.sqf_part(), digits), real=True)
    found: list[Root] = []
    numbers = False
    for factor, _ in whole.factor_list()[1]:
        exact = _by_formula(factor)
        numbers = numbers or exact is None
        roots = _all_roots(factor, digits) if exact is None else exact
        if roots is None:
            return None
        found += roots
    return Roots(sorted(found, key=_order), real=False) if numbers else None


def _by_formula(factor: Any) -> list[Root] | None:
    found = sympy.roots(factor)
    if sum(found.values()) != factor.degree():
        return None
    return [Root(value, exact=True, of=factor.as_expr()) for value in found]


def _order(root: Root) -> tuple[bool, float, float]:
    number = complex(root.value.evalf(15))
    return abs(number.imag) > 1e-12 * abs(number), number.real, number.imag


def _all_roots(factor: Any, digits: int) -> list[Root] | None:
    """Return all roots of an irreducible polynomial; None if they could not be told from each other."""
    for attempt in range(_TRIES):
        precision = (digits + 20) * 2**attempt
        coefficients = [int(one) for one in factor.all_coeffs()]
        with mpmath.workdps(2 * precision + 20):
            try:
                near = mpmath.polyroots(coefficients, maxsteps=200, extraprec=10 * factor.degree())
            except mpmath.libmp.NoConvergence:
                continue
            discs = _discs(coefficients, near)
            small = mpmath.mpf(10) ** -(digits + 5)
            sharp = all(radius <= small * abs(center) for center, radius in discs)
            if not sharp or any(_meet(one, other) for place, one in enumerate(discs) for other in discs[:place]):
                continue
            real = [abs(mpmath.im(center)) <= radius for center, radius in discs]
            if sum(real) != factor.count_roots():
                continue
            return [
                Root(_number(center, of_reals, precision), exact=False, of=factor.as_expr())
                for (center, _), of_reals in zip(discs, real, strict=True)
            ]
    return None


def _discs(coefficients: list[int], centers: list[Any]) -> list[tuple[Any, Any]]:
    """Return discs that hold all roots: where they do not meet, one each."""
    found = []
    for place, center in enumerate(centers):
        apart = mpmath.fprod(center - other for at, other in enumerate(centers) if at != place)
        if apart == 0:
            return [(center, mpmath.inf) for center in centers]
        size = abs(mpmath.polyval(coefficients, center) / (coefficients[0] * apart))
        found.append((center, len(centers) * size))
    return found


def _meet(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return bool(abs(one[0] - other[0]) <= one[1] + other[1])


def _number(center: Any, real: bool, precision: int) -> Expr:
    above = sympy.Float(mpmath.re(center), precision)
    return above if real else above + sympy.I * sympy.Float(mpmath.im(center), precision)


def _real_roots(polynomial: Any, digits: int) -> list[Root]:
    """Return the real roots of a polynomial without double ones, from intervals that hold one each."""
    intervals = [ends for ends, _ in polynomial.intervals()]
    rest = polynomial
    for low, high in intervals:
        if low == high:  # so that an end of another interval is no root
            rest = rest.exquo(sympy.Poly(low.q * polynomial.gen - low.p, polynomial.gen))
    coefficients = [int(one) for one in rest.clear_denoms(convert=True)[1].all_coeffs()]
    precision = digits + 20
    found = []
    # What cancels in a sum of powers has no more digits than the powers have.
    with mpmath.workdps(precision + rest.degree() + len(str(max(map(abs, coefficients))))):
        for low, high in intervals:
            exact = low == high
            value = low if exact else sympy.Float(_between(coefficients, low, high, precision), precision)
            found.append(Root(value, exact=exact, of=polynomial.as_expr()))
    return sorted(found, key=_order)


def _between(coefficients: list[int], low: Expr, high: Expr, precision: int) -> Any:
    """Close in on the root between two ends, as closely as its own size asks for; neither is one itself, nor is 0."""
    left, right = (mpmath.mpf(int(end.p)) / int(end.q) for end in (low, high))
    above = mpmath.polyval(coefficients, right) > 0
    close = mpmath.mpf(10) ** -precision
    while right - left > close * max(abs(left), abs(right)):
        middle = (left + right) / 2
        value = mpmath.polyval(coefficients, middle)
        if value == 0:
            return middle
        left, right = (left, middle) if (value > 0) == above else (middle, right)
    return (left + right) / 2
