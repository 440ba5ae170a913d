"""From our trees to sympy's expressions, and from those to answers. Loaded only in a computing process.

Sympy gets objects that are made here, one by one, from tables. It never gets a text: `sympify` and `parse_expr` read
texts with `eval`, and `lambdify` (with it `nsolve`) makes code; none of them stands in this folder.
"""

from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from sympy.core.evalf import PrecisionExhausted  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import CUT, Answer, rational
from dovetail.servers.calculator.certainty import certain, sign_of, whole_below
from dovetail.servers.calculator.exact import LARGE, Arithmetic, bits_of_power, magnitude, spread
from dovetail.servers.calculator.failures import CalculatorError, Irrational
from dovetail.servers.calculator.functions import call, check_count
from dovetail.servers.calculator.rendering import plain
from dovetail.servers.calculator.roots import root
from dovetail.servers.calculator.steps import rounded
from dovetail.servers.calculator.tree import Tree
from dovetail.servers.calculator.writing import named_roots, unread, written

Expr = Any
_BY_LOGARITHM: Final = "compute with its logarithm: log(a^b) is b*log(a)"
_SMOOTH: Final = frozenset(
    ["sqrt", "cbrt", "root", "log", "log2", "log10", "abs", "sign", "min", "max", "sum", "product", "count", "mean"]
)
"""Functions that may have what was rounded: as many digits as it had are right in what they return."""
CONSTANTS: Final[dict[str, Expr]] = {
    "pi": sympy.pi,
    "tau": 2 * sympy.pi,
    "e": sympy.E,
    "i": sympy.I,
    "inf": sympy.oo,
    "phi": sympy.GoldenRatio,
    "euler_gamma": sympy.EulerGamma,
    "catalan": sympy.Catalan,
}
_FOREIGN: Final = (
    "What was found has {} in it, which cannot be read back here, so it is not given; give numbers for the names, or "
    "narrow the range"
)
UNDEFINED: Final = "This is not defined: a division by zero, or infinities against each other. Check the divisors"


class Builder:
    """Makes an expression of a tree."""

    def __init__(self, symbols: bool, digits: int = 15) -> None:
        """Make a builder.

        Args:
            symbols: Whether names that are no constants are variables; otherwise they are errors.
            digits: To which what has to be rounded, because it is too long as a fraction, is right.
        """
        self._digits = digits
        self.arithmetic = Arithmetic(LARGE)
        self._symbols = symbols

    def build(self, tree: Tree) -> Expr:
        """Return the expression.

        Raises:
            CalculatorError: It has an unknown name, no value, or would be too large.
        """
        if tree.kind == "number":
            return _rational(Fraction(tree.text))
        if tree.kind == "constant":
            return CONSTANTS[tree.text]
        if tree.kind == "name":
            return self._name(tree.text)
        if tree.kind == "list":
            raise CalculatorError("A list stands only as an argument of a function, such as mean([1, 2, 3])")
        parts = [self.build(part) for part in spread(tree.parts)]
        match tree.kind:
            case "call":
                return self._call(tree.text, parts)
            case "compare":
                return relation(tree.text, parts[0], parts[1])
            case "invert":
                return self._invert(parts[0])
            case "power":
                return self.power(parts[0], parts[1])
        return self._operation(tree.kind, parts)

    def _name(self, text: str) -> Expr:
        if not self._symbols:
            raise CalculatorError("A name in this expression is no constant and no unit")
        return sympy.Symbol(text)

    def _invert(self, value: Expr) -> Expr:
        if value.is_zero:
            raise CalculatorError("Division by zero; check the divisor")
        return 1 / value

    def _operation(self, kind: str, parts: list[Expr]) -> Expr:
        if kind in ("modulo", "factorial"):
            return self._call("mod" if kind == "modulo" else kind, parts)
        made = _ARITHMETIC[kind](*parts)
        if kind == "add" and made.is_number and any(part.has(sympy.Float) for part in parts):
            largest = max(abs(part.evalf(15)) for part in parts)
            if not abs(made.evalf(15)) > largest / 10**6:
                raise CalculatorError(f"These cancel each other, and a power in them was rounded; {_BY_LOGARITHM}")
        return made

    def power(self, base: Expr, exponent: Expr) -> Expr:
        """Raise to a power, if that is of a size to be written."""
        if base.is_Rational and exponent.is_Rational:
            whole = abs(exponent.p) // exponent.q
            if base not in (0, 1, -1):
                bits = bits_of_power(_fraction(base), _fraction(exponent))
                if bits > LARGE.bits and magnitude(_fraction(base), _fraction(exponent)) <= LARGE.bits:
                    return sympy.Float(base, self._digits + 20 + len(str(whole))) ** exponent
                self.arithmetic.spend(bits)
            elif base == 0 and exponent < 0:
                raise CalculatorError("Division by zero: 0 to a negative power")
        elif exponent.is_Rational and base.is_number and abs(exponent) > LARGE.bits:
            raise CalculatorError("This power is too large to be computed; use its logarithm: log(a^b) is b*log(a)")
        return sympy.Pow(base, exponent)

    def _call(self, name: str, parts: list[Expr]) -> Expr:
        check_count(name, len(parts))
        if all(part.is_Rational for part in parts):
            try:
                return _rational(call(self.arithmetic, name, [_fraction(part) for part in parts]))
            except Irrational:
                pass
        if name in ("gamma", "zeta") and parts[0].is_Integer and parts[0] > 0:
            self.arithmetic.spend(abs(int(parts[0])))
        function = _SYMBOLIC.get(name)
        if name not in _SMOOTH and any(part.has(sympy.Float) for part in parts):
            raise CalculatorError(f"{name} needs all digits of a power that has too many; {_BY_LOGARITHM}")
        if function is None:
            raise CalculatorError(f"{name} takes rational numbers only, such as 12, 1.5 or 2/3")
        return function(*parts)


def relation(sign: str, left: Expr, right: Expr) -> Expr:
    """Return a comparison, true or false where it can be told."""
    sign_known = sign_of(left - right)
    if sign_known is not None:
        return _holds(sign, sign_known)
    made = {"=": sympy.Eq, "!=": sympy.Ne, "<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge}[sign]
    try:
        return made(left, right)
    except TypeError:
        raise CalculatorError("Only real numbers have an order; compare abs(...) or re(...)") from None


def _holds(sign: str, here: int) -> Expr:
    holds = {"=": here == 0, "!=": here != 0, "<": here < 0, "<=": here <= 0, ">": here > 0, ">=": here >= 0}[sign]
    return sympy.true if holds else sympy.false


def answer_of(expression: Expr, digits: int, note: str | None = None) -> Answer:
    """Return the answer that an expression is.

    Raises:
        CalculatorError: It is not defined.
    """
    if expression in (sympy.true, sympy.false):
        return Answer(kind="boolean", exact=str(bool(expression)).lower(), note=note)
    if expression.has(sympy.nan, sympy.zoo):
        raise CalculatorError(UNDEFINED)
    if expression.is_Rational:
        return rational(_fraction(expression), digits, note)
    text, remark = _shown(expression)
    note = "; ".join(filter(None, (note, remark))) or None
    if expression.free_symbols or not expression.is_number:
        foreign = unread(expression)
        if foreign is not None:
            raise CalculatorError(_FOREIGN.format("an infinity" if foreign == "inf" else foreign))
        return Answer(kind="symbolic", exact=text, note=note)
    try:
        real, imaginary = numeric(expression, digits)
    except PrecisionExhausted:  # its terms cancel each other, maybe to nothing
        simpler = sympy.simplify(expression)
        if simpler.is_Rational:
            return rational(_fraction(simpler), digits, note)
        return Answer(kind="real", exact=text, note="too near to 0 to be told from it")
    if imaginary is None:
        return Answer(kind="real", exact=text, decimal=real, note=note)
    return Answer(kind="complex", exact=text, decimal=_complex_text(real, imaginary), note=note)


def _shown(expression: Expr) -> tuple[str | None, str | None]:
    """Return an exact answer as text, and what is to be said of it; no text where there is none to be read."""
    if expression.has(sympy.Float):
        return None, "rounded on the way: as a fraction it would be too long"
    roots = named_roots(expression)
    if roots:
        return None, roots
    if expression.is_number and not expression.is_infinite and unread(expression) is not None:
        return None, "the exact form has functions in it that are not known here"
    text = written(expression)
    return text, None if text is not None else CUT


def rounded_answer(value: Expr, digits: int, note: str) -> Answer:
    """Return the answer that a number with more digits than are wanted is."""
    real, imaginary = (_float_text(part, digits) for part in value.as_real_imag())
    if not value.has(sympy.I):
        return Answer(kind="real", decimal=real, note=note)
    return Answer(kind="complex", decimal=_complex_text(real if value.is_Add else None, imaginary), note=note)


def numeric(expression: Expr, digits: int) -> tuple[str | None, str | None]:
    """Return the decimal parts of a number, the imaginary one only where there is one.

    Raises:
        PrecisionExhausted: So many digits cannot be found.
    """
    value = certain(expression, digits + 5)
    real, imaginary = value.as_real_imag()
    if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
        return None, None
    small = sympy.Float(10) ** -(digits + 2)
    if abs(imaginary) <= small * abs(real) and (expression.is_real is not False or not imaginary):
        return _float_text(real, digits), None
    if abs(real) <= small * abs(imaginary):
        return None, _float_text(imaginary, digits)
    return _float_text(real, digits), _float_text(imaginary, digits)


def _complex_text(real: str | None, imaginary: str) -> str:
    if real is None:
        return f"{imaginary}*i"
    return f"{real} - {imaginary[1:]}*i" if imaginary.startswith("-") else f"{real} + {imaginary}*i"


def _float_text(value: Expr, digits: int) -> str:
    context = Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN)
    return plain(context.create_decimal(Decimal(str(value))), digits)


def _fraction(value: Expr) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _rational(value: Fraction) -> Expr:
    return sympy.Rational(value.numerator, value.denominator)


_FACTORED: Final = 128
"""Bits of the longest number whose logarithm is given by its factors."""


def _log(value: Expr, base: Expr = None) -> Expr:
    if value.is_zero or (base is not None and (base.is_zero or base == 1)):
        raise CalculatorError(
            "log is not defined there: it needs a number that is not 0, and a base that is not 0 or 1"
        )
    if base is not None:
        return _whole_log(value, base) or _log(value) / _log(base)
    huge = value.is_Rational and max(int(value.p).bit_length(), int(value.q).bit_length()) > _FACTORED
    return sympy.log(value, evaluate=not huge)  # it would look for factors


def _whole_log(value: Expr, base: Expr) -> Expr | None:
    """Return the logarithm of a power of the base; None of anything else."""
    if not (value.is_Rational and base.is_Rational and value > 0 and base > 0):
        return None
    power = int(sympy.Float(sympy.log(value, evaluate=False).evalf(20) / sympy.log(base).evalf(20)).round())
    found = abs(power) <= LARGE.bits and sympy.Pow(base, power) == value
    return sympy.Integer(power) if found else None


def _prime(value: Expr) -> Expr:
    return sympy.Integer(int(sympy.isprime(_whole(value))))


def _next_prime(value: Expr) -> Expr:
    return sympy.Integer(sympy.nextprime(_whole(value)))


def _whole(value: Expr) -> int:
    if not value.is_Integer:
        raise CalculatorError("Only whole numbers are prime, or not")
    return int(value)


def _mean(*values: Expr) -> Expr:
    return sympy.Add(*values) / len(values)


def _median(*values: Expr) -> Expr:
    if any(not value.is_real or value.free_symbols for value in values):
        raise CalculatorError("median takes real numbers only")
    ordered = sorted(values, key=lambda value: value.evalf(30))
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _spread(divisor: int, root: bool) -> Callable[..., Expr]:
    def spread(*values: Expr) -> Expr:
        mean = _mean(*values)
        variance = sympy.Add(*[(value - mean) ** 2 for value in values]) / (len(values) - divisor)
        return sympy.sqrt(variance) if root else variance

    return spread


_ARITHMETIC: Final[dict[str, Callable[..., Expr]]] = {
    "add": lambda *terms: sympy.Add(*terms),
    "multiply": lambda *factors: sympy.Mul(*factors),
    "negative": lambda value: -value,
    "percent": lambda value: value / 100,
}
_SYMBOLIC: Final[dict[str, Callable[..., Expr]]] = {
    **{name: getattr(sympy, name) for name in ("sqrt", "exp", "re", "im", "arg", "sign")},
    **{
        name: getattr(sympy, name)
        for name in ("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "atan2")
    },
    **{name: getattr(sympy, name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")},
    **{name: getattr(sympy, name) for name in ("sech", "csch", "coth", "acot", "asec", "acsc", "sinc")},
    **{name: getattr(sympy, name) for name in ("gamma", "erf", "erfc", "erfi", "zeta", "factorial", "li")},
    **{name: getattr(sympy, name) for name in ("fresnels", "fresnelc", "loggamma")},
    "polygamma": sympy.polygamma,
    "lambertw": sympy.LambertW,
    "si": sympy.Si,
    "ci": sympy.Ci,
    "ei": sympy.Ei,
    "abs": sympy.Abs,
    "cbrt": lambda value: root(value, sympy.Integer(3)),
    "root": root,
    "floor": whole_below,
    "ceil": lambda value: sympy.ceiling(value) if value.free_symbols else -whole_below(-value),
    "trunc": lambda value: sympy.sign(value) * whole_below(sympy.Abs(value)),
    "round": rounded,
    "log": _log,
    "log2": lambda value: _log(value, sympy.Integer(2)),
    "log10": lambda value: _log(value, sympy.Integer(10)),
    "conj": sympy.conjugate,
    "isprime": _prime,
    "nextprime": _next_prime,
    "comb": sympy.binomial,
    "perm": lambda total, chosen: sympy.ff(total, chosen),
    "fib": sympy.fibonacci,
    "mod": lambda left, right: left - right * whole_below(left / right),
    "quotient": lambda left, right: whole_below(left / right),
    "min": sympy.Min,
    "max": sympy.Max,
    "sum": lambda *values: sympy.Add(*values),
    "product": lambda *values: sympy.Mul(*values),
    "count": lambda *values: sympy.Integer(len(values)),
    "mean": _mean,
    "median": _median,
    "variance": _spread(1, False),
    "pvariance": _spread(0, False),
    "stdev": _spread(1, True),
    "pstdev": _spread(0, True),
}
