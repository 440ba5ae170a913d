"""The functions of expressions: which there are, and those that have exact answers."""

from collections.abc import Callable
from fractions import Fraction
from math import comb, gcd, lcm, perm
from typing import Final

import msgspec

from dovetail.servers.calculator.exact import Arithmetic, Value, bits_of_choice, natural, whole
from dovetail.servers.calculator.failures import CalculatorError, Irrational

_MANY = 10_000


class Function(msgspec.Struct, frozen=True):
    """A function: how many arguments it takes, and what it is, for people."""

    least: int
    most: int
    about: str


FUNCTIONS: Final[dict[str, Function]] = {
    "abs": Function(1, 1, "absolute value"),
    "sign": Function(1, 1, "-1, 0 or 1"),
    "floor": Function(1, 1, "the whole number below"),
    "ceil": Function(1, 1, "the whole number above"),
    "trunc": Function(1, 1, "without its fraction"),
    "round": Function(1, 2, "round(x) or round(x, places); halves go to the even digit"),
    "sqrt": Function(1, 1, "square root"),
    "cbrt": Function(1, 1, "cube root, real for real numbers"),
    "root": Function(2, 2, "root(x, n): the n-th root; real for real x where n is odd, unlike x^(1/n)"),
    "exp": Function(1, 1, "e to the power of x"),
    "log": Function(1, 2, "log(x): natural logarithm; log(x, base)"),
    "log2": Function(1, 1, "logarithm to base 2"),
    "log10": Function(1, 1, "logarithm to base 10"),
    **{
        name: Function(1, 1, about)
        for name, about in {
            "sin": "sine, of radians; write sin(30 deg) in calculate for degrees",
            "cos": "cosine", "tan": "tangent", "cot": "cotangent", "sec": "secant", "csc": "cosecant",
            "asin": "inverse sine, in radians", "acos": "inverse cosine", "atan": "inverse tangent",
            "sinh": "hyperbolic sine", "cosh": "hyperbolic cosine", "tanh": "hyperbolic tangent",
            "asinh": "inverse hyperbolic sine", "acosh": "inverse hyperbolic cosine",
            "atanh": "inverse hyperbolic tangent", "sech": "hyperbolic secant", "csch": "hyperbolic cosecant",
            "coth": "hyperbolic cotangent", "acot": "inverse cotangent", "asec": "inverse secant",
            "acsc": "inverse cosecant", "sinc": "sin(x)/x, and 1 at 0", "erfc": "1 - erf(x)",
            "erfi": "imaginary error function, erf(i*x)/i", "si": "sine integral", "ci": "cosine integral",
            "ei": "exponential integral", "li": "logarithmic integral", "fresnels": "Fresnel integral S",
            "fresnelc": "Fresnel integral C", "loggamma": "logarithm of the gamma function",
            "gamma": "gamma function", "erf": "error function", "zeta": "Riemann's zeta function",
            "re": "real part", "im": "imaginary part", "conj": "complex conjugate", "arg": "argument, in radians",
            "isprime": "1 for a prime number, else 0", "nextprime": "the next larger prime number",
        }.items()
    },
    "lambertw": Function(1, 2, "Lambert's W: lambertw(x) or lambertw(x, branch)"),
    "polygamma": Function(2, 2, "polygamma(n, x): the derivative of order n + 1 of loggamma"),
    "atan2": Function(2, 2, "atan2(y, x): the angle of the point (x, y)"),
    "factorial": Function(1, 1, "n!"),
    "gcd": Function(1, _MANY, "greatest common divisor"),
    "lcm": Function(1, _MANY, "least common multiple"),
    "comb": Function(2, 2, "comb(n, k): ways to choose k of n"),
    "perm": Function(2, 2, "perm(n, k): ways to line up k of n"),
    "fib": Function(1, 1, "the n-th Fibonacci number"),
    "mod": Function(2, 2, "remainder, with the divisor's sign"),
    "quotient": Function(2, 2, "whole quotient, rounded down"),
    "powmod": Function(3, 3, "powmod(a, b, m): a^b modulo m"),
    "min": Function(1, _MANY, "the least"),
    "max": Function(1, _MANY, "the greatest"),
    "sum": Function(1, _MANY, "the sum"),
    "product": Function(1, _MANY, "the product"),
    "count": Function(0, _MANY, "how many"),
    "mean": Function(1, _MANY, "arithmetic mean"),
    "median": Function(1, _MANY, "the middle one"),
    "variance": Function(2, _MANY, "of a sample (n - 1)"),
    "pvariance": Function(1, _MANY, "of a population (n)"),
    "stdev": Function(2, _MANY, "standard deviation of a sample"),
    "pstdev": Function(1, _MANY, "standard deviation of a population"),
}  # fmt: skip

_ALSO: Final = {
    "ln": "log", "lg": "log10", "lb": "log2", "ceiling": "ceil", "int": "trunc", "average": "mean", "avg": "mean",
    "binomial": "comb", "ncr": "comb", "choose": "comb", "npr": "perm", "arcsin": "asin", "arccos": "acos",
    "arctan": "atan", "fact": "factorial", "fibonacci": "fib", "std": "stdev", "var": "variance", "sgn": "sign",
    "conjugate": "conj", "total": "sum", "prod": "product", "ff": "perm",
}  # fmt: skip

KNOWN: Final[dict[str, str]] = {**{name: name for name in FUNCTIONS}, **_ALSO}
"""By every spelling, the function's name."""


def call(arithmetic: Arithmetic, name: str, values: list[Value]) -> Value:
    """Call a function.

    Raises:
        Irrational: Its answer is no fraction, or only symbols have it.
        CalculatorError: Too few or too many arguments, or such that it is not defined for.
    """
    check_count(name, len(values))
    exact = _EXACT.get(name)
    if exact is None:
        raise Irrational
    return exact(arithmetic, *values)


def check_count(name: str, count: int) -> None:
    """Refuse a call with too few or too many arguments.

    Raises:
        CalculatorError: It says how many it takes.
    """
    known = FUNCTIONS[name]
    if not known.least <= count <= known.most:
        takes = str(known.least) if known.least == known.most else f"{known.least} to {known.most}"
        takes = f"{known.least} or more" if known.most == _MANY else takes
        raise CalculatorError(f"{name} takes {takes} arguments, not {count}: {known.about}")


def _round(arithmetic: Arithmetic, value: Value, places: Value = Fraction(0)) -> Value:
    count = whole(places, "round")
    if abs(count) > 10_000:
        raise CalculatorError("round takes places between -10,000 and 10,000")
    arithmetic.spend(abs(count) * 4)
    return Fraction(round(value, count))


def _choose(arithmetic: Arithmetic, total: Value, chosen: Value) -> Value:
    n, k = natural(total, "comb"), natural(chosen, "comb")
    if k > n:
        return Fraction(0)
    bits = bits_of_choice(n, k)
    arithmetic.spend(bits)
    arithmetic.labour(bits * bits >> 10)
    return Fraction(comb(n, k))


def _line_up(arithmetic: Arithmetic, total: Value, chosen: Value) -> Value:
    n, k = natural(total, "perm"), natural(chosen, "perm")
    if k > n:
        return Fraction(0)
    arithmetic.spend(k * n.bit_length())
    return Fraction(perm(n, k))


def _fibonacci(arithmetic: Arithmetic, index: Value) -> Value:
    count = natural(index, "fib")
    arithmetic.spend(count)
    here, following = 0, 1
    for bit in bin(count)[2:]:  # F(2n) and F(2n + 1) from F(n) and F(n + 1)
        here, following = here * (2 * following - here), here * here + following * following
        if bit == "1":
            here, following = following, here + following
    return Fraction(here)


def _power_modulo(arithmetic: Arithmetic, base: Value, exponent: Value, modulus: Value) -> Value:
    a, b, m = whole(base, "powmod"), natural(exponent, "powmod"), whole(modulus, "powmod")
    if not m:
        raise CalculatorError("Division by zero: the remainder by 0")
    arithmetic.spend(max(a.bit_length(), b.bit_length(), m.bit_length()))
    if b.bit_length() * m.bit_length() ** 2 > 1 << 36:
        raise CalculatorError("powmod: these numbers are too large together; about 4,000 bits each are possible")
    arithmetic.labour(b.bit_length() * m.bit_length() ** 2 >> 12)
    return Fraction(pow(a, b, m))


def _sum(arithmetic: Arithmetic, *values: Value) -> Value:
    total = Fraction(0)
    for value in values:
        total = arithmetic.add(total, value)
    return total


def _product(arithmetic: Arithmetic, *values: Value) -> Value:
    total = Fraction(1)
    for value in values:
        total = arithmetic.multiply(total, value)
    return total


def _mean(arithmetic: Arithmetic, *values: Value) -> Value:
    return _sum(arithmetic, *values) / len(values)


def _median(arithmetic: Arithmetic, *values: Value) -> Value:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else arithmetic.add(ordered[middle - 1], ordered[middle]) / 2


def _spread(divisor: int, root: bool) -> Callable[..., Value]:
    def spread(arithmetic: Arithmetic, *values: Value) -> Value:
        mean = _mean(arithmetic, *values)
        squares = [arithmetic.power(arithmetic.add(value, -mean), Fraction(2)) for value in values]
        variance = _sum(arithmetic, *squares) / (len(values) - divisor)
        return arithmetic.root(variance, 2) if root else variance

    return spread


def _wholes(function: Callable[..., int], name: str) -> Callable[..., Value]:
    def combined(arithmetic: Arithmetic, *values: Value) -> Value:
        numbers = [whole(value, name) for value in values]
        arithmetic.spend(sum(number.bit_length() for number in numbers))
        return Fraction(function(*numbers))

    return combined


def _plain(function: Callable[..., Value | int]) -> Callable[..., Value]:
    return lambda arithmetic, *values: Fraction(function(*values))


_EXACT: Final[dict[str, Callable[..., Value]]] = {
    "abs": _plain(abs),
    "sign": _plain(lambda value: (value > 0) - (value < 0)),
    "floor": _plain(lambda value: value.__floor__()),
    "ceil": _plain(lambda value: value.__ceil__()),
    "trunc": _plain(lambda value: value.__trunc__()),
    "round": _round,
    "sqrt": lambda arithmetic, value: arithmetic.root(value, 2),
    "cbrt": lambda arithmetic, value: arithmetic.real_root(value, Fraction(3)),
    "root": lambda arithmetic, value, degree: arithmetic.real_root(value, degree),
    "factorial": lambda arithmetic, value: arithmetic.factorial(value),
    "gcd": _wholes(gcd, "gcd"),
    "lcm": _wholes(lcm, "lcm"),
    "comb": _choose,
    "perm": _line_up,
    "fib": _fibonacci,
    "mod": lambda arithmetic, left, right: arithmetic.modulo(left, right),
    "quotient": lambda arithmetic, left, right: Fraction(
        arithmetic.multiply(left, arithmetic.invert(right)).__floor__()
    ),
    "powmod": _power_modulo,
    "min": _plain(lambda *values: min(values)),
    "max": _plain(lambda *values: max(values)),
    "sum": _sum,
    "product": _product,
    "count": _plain(lambda *values: len(values)),
    "mean": _mean,
    "median": _median,
    "variance": _spread(1, False),
    "pvariance": _spread(0, False),
    "stdev": _spread(1, True),
    "pstdev": _spread(0, True),
}
