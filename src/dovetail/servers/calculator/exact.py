"""Exact arithmetic over fractions, which refuses what would be too large before it computes it.

The same code runs in two places: in the server for what is small (`SMALL`), and in a computing process, which can be
stopped, for what is not (`LARGE`). What is no fraction is `Irrational`, and left to symbols.
"""

from collections.abc import Callable
from fractions import Fraction
from math import inf, lgamma, log2
from typing import Final

import msgspec

from dovetail.servers.calculator.failures import CalculatorError, Irrational, TooLarge, TooMuch
from dovetail.servers.calculator.tree import Tree

_LOG_2: Final = 0.6931471805599453


class Bounds(msgspec.Struct, frozen=True):
    """How large numbers may become.

    Attributes:
        bits: Of a numerator or a denominator.
        work: Bits of all operands together.
    """

    bits: int
    work: int


SMALL: Final = Bounds(bits=16_384, work=1_000_000)
LARGE: Final = Bounds(bits=340_000, work=1_000_000_000)
"""A number of about 100,000 digits."""

Value = Fraction


class Arithmetic:
    """Operations within bounds; one an expression, as it counts the work."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._work = bounds.work

    def spend(self, bits: int) -> None:
        """Count work.

        Raises:
            TooLarge: The result of an operation would have so many bits, and that is too many.
            TooMuch: It is too much work in all.
        """
        if bits > self.bounds.bits:
            raise TooLarge(bits, LARGE.bits)
        self.labour(bits)

    def labour(self, work: int) -> None:
        """Count work that is more than its operands are long.

        Raises:
            TooMuch: It is too much in all.
        """
        self._work -= work
        if self._work < 0:
            raise TooMuch

    def add(self, left: Value, right: Value) -> Value:
        """Add."""
        self.spend(max(_size(left), _size(right)) + 1 if _whole(left, right) else _size(left) + _size(right) + 1)
        return left + right

    def multiply(self, left: Value, right: Value) -> Value:
        """Multiply."""
        self.spend(_size(left) + _size(right))
        return left * right

    def invert(self, value: Value) -> Value:
        """Return 1 / value."""
        if not value:
            raise CalculatorError("Division by zero; check the divisor")
        return 1 / value

    def power(self, base: Value, exponent: Value) -> Value:
        """Raise to a power; a root only where it is exact."""
        if exponent.denominator != 1:
            return self.power(self.root(base, exponent.denominator), Fraction(exponent.numerator))
        if base in (0, 1, -1):
            return self._power_of_unit(base, exponent)
        bits = bits_of_power(base, exponent)
        if bits > LARGE.bits and magnitude(base, exponent) <= LARGE.bits:
            raise Irrational  # an ordinary number whose fraction would be too long, such as 1.0001^36500
        self.spend(bits)
        return base**exponent.numerator

    def _power_of_unit(self, base: Value, exponent: Value) -> Value:
        if base == 0 and exponent < 0:
            raise CalculatorError("Division by zero: 0 to a negative power")
        if base == 0:
            return Fraction(exponent == 0)
        return Fraction(-1 if base == -1 and exponent.numerator % 2 else 1)

    def root(self, value: Value, degree: int) -> Value:
        """Return an exact root.

        Raises:
            Irrational: There is none; also for negative values, whose principal root is complex.
        """
        if value < 0 or degree > 1_000:
            raise Irrational
        self.spend(_size(value))
        self.labour(_size(value))
        return Fraction(_whole_root(value.numerator, degree), _whole_root(value.denominator, degree))

    def real_root(self, value: Value, degree: Value) -> Value:
        """Return an exact root, which is real for an odd degree: -2 is the third root of -8."""
        share = self.invert(degree)
        if value < 0 and degree.denominator == 1 and degree.numerator % 2:
            return -self.power(-value, share)
        return self.power(value, share)

    def factorial(self, value: Value) -> Value:
        """Return n!."""
        count = natural(value, "factorial")
        self.spend(_bits_of_factorial(count))
        product = 1
        for factor in range(2, count + 1):
            product *= factor
        return Fraction(product)

    def modulo(self, left: Value, right: Value) -> Value:
        """Return the remainder, which has the divisor's sign."""
        if not right:
            raise CalculatorError("Division by zero: the remainder by 0")
        self.spend(_size(left) + _size(right))
        return left % right


Call = Callable[[Arithmetic, str, list[Value]], Value]


def evaluate(tree: Tree, arithmetic: Arithmetic, call: Call) -> Value:
    """Return an expression's value.

    Args:
        tree: Without names.
        arithmetic: What computes.
        call: What calls functions; see `functions.call`.

    Raises:
        Irrational: It has a name, or no fraction for a value.
        CalculatorError: It has no value, or is too large.
    """

    if tree.kind == "number":
        read = Fraction(tree.text)
        arithmetic.spend(_size(read))
        return read
    if tree.kind == "call":
        return call(arithmetic, tree.text, [evaluate(part, arithmetic, call) for part in spread(tree.parts)])
    operation = _OPERATIONS.get(tree.kind)
    if operation is None:
        raise Irrational
    return operation(arithmetic, [evaluate(part, arithmetic, call) for part in tree.parts])


def _total(arithmetic: Arithmetic, values: list[Value]) -> Value:
    total = values[0]
    for value in values[1:]:
        total = arithmetic.add(total, value)
    return total


def _product(arithmetic: Arithmetic, values: list[Value]) -> Value:
    product = values[0]
    for value in values[1:]:
        product = arithmetic.multiply(product, value)
    return product


_OPERATIONS: Final[dict[str, Callable[[Arithmetic, list[Value]], Value]]] = {
    "add": _total,
    "multiply": _product,
    "negative": lambda arithmetic, values: -values[0],
    "invert": lambda arithmetic, values: arithmetic.invert(values[0]),
    "percent": lambda arithmetic, values: arithmetic.multiply(values[0], Fraction(1, 100)),
    "power": lambda arithmetic, values: arithmetic.power(values[0], values[1]),
    "modulo": lambda arithmetic, values: arithmetic.modulo(values[0], values[1]),
    "factorial": lambda arithmetic, values: arithmetic.factorial(values[0]),
}


def compare(left: Value, sign: str, right: Value) -> bool:
    """Tell whether a comparison holds."""
    match sign:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case "!=":
            return left != right
    return left == right


def spread(parts: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """Return a function's arguments: those of one list, `mean([1, 2])`, are taken for its own."""
    return parts[0].parts if len(parts) == 1 and parts[0].kind == "list" else parts


def whole(value: Value, where: str) -> int:
    """Return a whole number.

    Raises:
        CalculatorError: It is none.
    """
    if value.denominator != 1:
        raise CalculatorError(f"{where} takes whole numbers only")
    return value.numerator


def bits_of_power(base: Value, exponent: Value) -> int:
    """Return how many bits the longer part of a power's fraction has, or one or two more."""
    power = abs(exponent.numerator) // exponent.denominator
    if power.bit_length() > 50:
        return _size(base) * power
    return int(max(log2(abs(base.numerator)), log2(base.denominator)) * power) + 2


def magnitude(base: Value, exponent: Value) -> float:
    """Return about how many bits stand before or behind the point of a power."""
    size = abs(log2(abs(base.numerator)) - log2(base.denominator))
    power = abs(exponent.numerator) // exponent.denominator
    return inf if power.bit_length() > 64 and size else size * power


def natural(value: Value, where: str) -> int:
    """Return a whole number that is not negative.

    Raises:
        CalculatorError: It is none; a fraction is left to symbols (`Irrational`) where there is a gamma function.
    """
    if value.denominator != 1 and where == "factorial":
        raise Irrational
    if value < 0:
        raise CalculatorError(f"{where} of a negative number is not defined")
    return whole(value, where)


def bits_of_choice(total: int, chosen: int) -> int:
    """Return about how many bits `comb(total, chosen)` has; never too few by much."""
    chosen = min(chosen, total - chosen)
    if chosen <= 0:
        return 1
    return min(chosen * total.bit_length(), total) + 1 if total > 1 << 50 else _estimate(total, chosen)


def _estimate(total: int, chosen: int) -> int:
    return int((lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)) / _LOG_2) + 2


def _bits_of_factorial(count: int) -> int:
    return count * count.bit_length() if count > 1 << 50 else int(lgamma(count + 1) / _LOG_2) + 2


def _whole_root(value: int, degree: int) -> int:
    """Return the exact root of a whole number, by Newton's way from above.

    Raises:
        Irrational: It has none.
    """
    if value < 2:
        return value
    root = 1 << -(-value.bit_length() // degree)
    while True:
        closer = ((degree - 1) * root + value // root ** (degree - 1)) // degree
        if closer >= root:
            break
        root = closer
    if root**degree != value:
        raise Irrational
    return root


def _size(value: Value) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _whole(left: Value, right: Value) -> bool:
    return left.denominator == right.denominator == 1
