"""Odd roots that are real for real numbers, under names, too: `cbrt(x)` is -2 at -8, in calculus as in arithmetic.

Sympy's own power `x**(1/3)` is the principal root, which is complex there. `RealRoot` stays as it is until the sign of
what it is taken of is known; for a job that sympy can do only with powers, there are ways to write it with those.
Loaded only in a computing process.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]

_FAR: Final = 15
"""Digits by which an imaginary part has to be smaller to be what rounding left."""


class RealRoot(sympy.Function):  # type: ignore[misc]  # sympy is not typed
    """The real root of a real number, of an odd degree; of a complex one, the principal root."""

    nargs = 2

    @classmethod
    def eval(cls, value: Any, degree: Any) -> Any:
        """Return the root as a power, where the sign is known; None leaves it as it is."""
        power = sympy.Rational(1, degree)
        if value.is_extended_nonnegative:
            return value**power
        if value.is_extended_negative:
            return -((-value) ** power)
        if value.is_extended_real is False and value.is_number:
            return value**power
        return None

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the derivative, by sympy's rules for functions."""
        return 1 / (self.args[1] * self ** (self.args[1] - 1))

    def _eval_is_extended_real(self) -> bool | None:
        real: bool | None = self.args[0].is_extended_real
        return real or None

    def _eval_is_zero(self) -> bool | None:
        zero: bool | None = self.args[0].is_zero
        return zero

    def _eval_power(self, exponent: Any) -> Any:
        """The third power of a cube root is what it was taken of."""
        value, degree = self.args
        whole = exponent.is_Integer and exponent % degree == 0
        return value ** (exponent / degree) if whole else None

    def _eval_evalf(self, prec: int) -> Any:
        value = self.args[0]._evalf(prec)
        real, imaginary = value.as_real_imag()
        if imaginary and abs(imaginary) < abs(real) / sympy.Integer(10) ** _FAR:
            value = real
        power = sympy.Float(1, precision=prec) / self.args[1]
        negative = value.is_extended_negative
        return (-((-value) ** power) if negative else value**power)._evalf(prec)


def root(value: Any, degree: Any) -> Any:
    """Return a root; a real one where the degree is odd."""
    if not (degree.is_Integer and degree % 2 and abs(degree) > 1):
        return sympy.root(value, degree)
    return 1 / RealRoot(value, -degree) if degree < 0 else RealRoot(value, degree)


def by_cases(expression: Any) -> Any:
    """Write real roots as powers, one for either sign: integrals of these can be found."""

    def cases(value: Any, degree: Any) -> Any:
        power = sympy.Rational(1, degree)
        return sympy.Piecewise((value**power, value >= 0), (-((-value) ** power), True))

    return expression.replace(RealRoot, cases)


def by_sign(expression: Any) -> Any:
    """Write real roots with sign and size: limits of these can be found where other names are in them."""
    return expression.replace(
        RealRoot, lambda value, degree: sympy.sign(value) * sympy.Abs(value) ** sympy.Rational(1, degree)
    )


def as_polynomials(expressions: list[Any]) -> tuple[list[Any], list[Any]]:
    """Write each real root as an unknown of its own, with the equation that makes it one.

    Returns:
        The equations, those of the roots among them, and the unknowns that were added. Their solutions are to be tried:
        an unknown may have become another root than the real one.
    """
    named: dict[Any, Any] = {}

    def name(value: Any, degree: Any) -> Any:
        return named.setdefault((value, degree), sympy.Dummy(f"root{len(named)}"))

    written = [one.replace(RealRoot, name) for one in expressions]
    defined = [symbol**degree - value for (value, degree), symbol in named.items()]
    return written + defined, list(named.values())
