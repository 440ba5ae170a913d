"""Power series whose coefficients are intervals: what a function is on a whole interval, and not at points of it.

Every operation rounds outwards, so what comes out holds the true value. A coefficient that is not known is all real
numbers, and what may be undefined raises `Unbounded`. A series shorter than others goes on with zeros.
"""

from collections.abc import Callable
from math import asin, asinh, atan, atanh, cos, cosh, erf, exp, floor, inf, log, nextafter, pi, sin, sinh, tanh
from typing import Final

Interval = tuple[float, float]
Series = list[Interval]
ORDER: Final = 8
"""Terms of a series; even, so that what is left of an integral has one sign."""
ALL: Final[Interval] = (-inf, inf)
ZERO: Final[Interval] = (0.0, 0.0)
_NOISE: Final = 1e-12
"""How far below 0 rounding may leave what a root is taken of, at a place where that is 0."""


class Unbounded(ArithmeticError):
    """A function may have no value, or no real one, somewhere on the interval."""


def around(low: float, high: float) -> Interval:
    """Return bounds, a last digit wider: a lower one is never infinity, an upper one never minus infinity."""
    if low != low or high != high:
        raise Unbounded
    return nextafter(nextafter(low, -inf), -inf), nextafter(nextafter(high, inf), inf)


def plus(one: Interval, other: Interval) -> Interval:
    """Return the sum of two intervals."""
    low, high = one[0] + other[0], one[1] + other[1]
    return nextafter(low, -inf), nextafter(high, inf)


def times(one: Interval, other: Interval) -> Interval:
    """Return the product; 0 times what is not bounded is 0, as each number in there is a real one."""
    if one == ZERO or other == ZERO:
        return ZERO
    products = (one[0] * other[0], one[0] * other[1], one[1] * other[0], one[1] * other[1])
    low, high = min(products), max(products)
    if low != low or high != high or any(one != one for one in products):
        products = tuple(0.0 if each != each else each for each in products)  # type: ignore[assignment]
        low, high = min(products), max(products)
    return nextafter(low, -inf), nextafter(high, inf)


def over(one: Interval, other: Interval) -> Interval:
    """Return the quotient."""
    low, high = other
    if low < 0 < high or low == high == 0:
        raise Unbounded
    reciprocal = (1 / high if high else -inf, 1 / low if low else inf)
    return times(one, around(*reciprocal))


def _at(series: Series, place: int) -> Interval:
    return series[place] if place < len(series) else ZERO


def _convolved(one: Series, other: Series, place: int, least: int = 0) -> Interval:
    total = ZERO
    for at in range(max(least, place - len(other) + 1), min(place, len(one) - 1) + 1):
        total = plus(total, times(one[at], other[place - at]))
    return total


def added(one: Series, other: Series) -> Series:
    """Add two series."""
    return [plus(_at(one, place), _at(other, place)) for place in range(max(len(one), len(other)))]


def multiplied(one: Series, other: Series) -> Series:
    """Multiply two series."""
    length = min(len(one) + len(other) - 1, ORDER + 1)
    return [_convolved(one, other, place) for place in range(length)]


def divided(one: Series, other: Series) -> Series:
    """Divide two series."""
    found: Series = []
    length = 1 if len(one) == len(other) == 1 else ORDER + 1
    for place in range(length):
        rest = plus(_at(one, place), times((-1.0, -1.0), _later(other, found, place)))
        found.append(over(rest, other[0]))
    return found


def _later(one: Series, found: Series, place: int) -> Interval:
    """Return the sum of all products but that with the first of one."""
    total = ZERO
    for at in range(1, min(place, len(one) - 1) + 1):
        total = plus(total, times(one[at], found[place - at]))
    return total


def _sloped(first: Interval, inside: Series, slope: Series) -> Series:
    """Return the series of a function of what is inside, by its first coefficient and the series of its slope."""
    found = [first]
    if len(inside) == 1:
        return found
    steps = [times((float(place), float(place)), one) for place, one in enumerate(inside)]
    return found + [
        over(_convolved(steps, slope, place, 1), (float(place), float(place))) for place in range(1, ORDER + 1)
    ]


def unknown(first: Interval) -> Series:
    """Return the series of what has these values, and no known slope."""
    return [first, *[ALL] * ORDER]


def monotone(function: Callable[[float], float], inside: Interval) -> Interval:
    """Return what a growing function makes of an interval."""
    return around(_limited(function, inside[0]), _limited(function, inside[1]))


def _limited(function: Callable[[float], float], value: float) -> float:
    try:
        return function(value)
    except OverflowError:
        return inf if value > 0 else -inf
    except ValueError:
        raise Unbounded from None


def exponential(inside: Series) -> Series:
    """Return e to the power of a series."""
    low, high = monotone(exp, inside[0])
    found = [(max(low, 0.0), high)]
    if len(inside) == 1:
        return found
    steps = [times((float(place), float(place)), one) for place, one in enumerate(inside)]
    for place in range(1, ORDER + 1):
        found.append(over(_later(steps, found, place), (float(place), float(place))))
    return found


def logarithm(inside: Series) -> Series:
    """Return the natural logarithm of what is positive."""
    low, high = inside[0]
    if low < 0 or high <= 0:
        raise Unbounded
    first = around(log(low) if low else -inf, log(high) if high < inf else inf)
    return _sloped(first, inside, divided([(1.0, 1.0)], inside)) if low > 0 else unknown(first)


def sine_and_cosine(inside: Series) -> tuple[Series, Series]:
    """Return both: each is the slope of the other."""
    sines, cosines = [_waving(inside[0], 0.0)], [_waving(inside[0], pi / 2)]
    if len(inside) > 1:
        steps = [times((float(place), float(place)), one) for place, one in enumerate(inside)]
        for place in range(1, ORDER + 1):
            share = (1.0 / place, 1.0 / place)
            following = times(_later(steps, cosines, place), around(*share))
            cosines.append(times((-1.0, -1.0), times(_later(steps, sines, place), around(*share))))
            sines.append(following)
    return sines, cosines


def _waving(inside: Interval, ahead: float) -> Interval:
    low, high = inside
    if high - low >= 2 * pi or max(abs(low), abs(high)) > 1e12:
        return -1.0, 1.0
    function = cos if ahead else sin
    slack = 1e-15 * (1 + max(abs(low), abs(high)))
    ends = function(low), function(high)
    start, end = (low + ahead - slack) / (2 * pi), (high + ahead + slack) / (2 * pi)
    top = floor(end - 0.25) >= start - 0.25
    bottom = floor(end - 0.75) >= start - 0.75
    least, most = around(min(ends), max(ends))
    return (-1.0 if bottom else max(-1.0, least)), (1.0 if top else min(1.0, most))


def hyperbolic(inside: Series) -> tuple[Series, Series]:
    """Return the hyperbolic sine and cosine."""
    low, high = inside[0]
    ends = _limited(cosh, low), _limited(cosh, high)
    sines = [monotone(sinh, inside[0])]
    cosines = [around(1.0 if low <= 0 <= high else min(map(abs, ends)), max(map(abs, ends)))]
    if len(inside) > 1:
        steps = [times((float(place), float(place)), one) for place, one in enumerate(inside)]
        for place in range(1, ORDER + 1):
            share = around(1.0 / place, 1.0 / place)
            following = times(_later(steps, cosines, place), share)
            cosines.append(times(_later(steps, sines, place), share))
            sines.append(following)
    return sines, cosines


def whole_power(inside: Series, exponent: int) -> Series:
    """Raise to a whole power."""
    if exponent < 0:
        return divided([(1.0, 1.0)], whole_power(inside, -exponent))
    found: Series = [(1.0, 1.0)]
    square, left = inside, exponent
    while left:
        if left & 1:
            found = multiplied(found, square)
        left >>= 1
        square = multiplied(square, square) if left else square
    low, high = inside[0]
    if exponent % 2 == 0 and low < 0:
        size = max(-low, high)
        ends = _raised(0.0 if high > 0 else -high, exponent), _raised(size, exponent)
        found[0] = max(0.0, nextafter(ends[0], -inf)), nextafter(ends[1], inf)
    return found


def _raised(base: float, exponent: float) -> float:
    try:
        return float(base**exponent)
    except OverflowError:
        return inf
    except ZeroDivisionError:
        return inf


def power(inside: Series, exponent: float) -> Series:
    """Raise what is not negative to a power that is not whole."""
    low, high = inside[0]
    if -_NOISE * max(1.0, high) <= low < 0 < high:
        low = 0.0
    if low < 0 or high <= 0:
        raise Unbounded
    ends = sorted((_raised(low, exponent), _raised(high, exponent)))
    first = around(max(0.0, ends[0]), ends[1])
    first = (max(0.0, first[0]), first[1])
    if low == 0:
        return unknown(first)
    found = [first]
    for place in range(1, ORDER + 1 if len(inside) > 1 else 1):
        total = ZERO
        for at in range(1, min(place, len(inside) - 1) + 1):
            share = around(*((exponent * at - (place - at)) / place,) * 2)
            total = plus(total, times(share, times(inside[at], found[place - at])))
        found.append(over(total, inside[0]))
    return found


def odd_root(inside: Series, degree: int) -> Series:
    """Return the real root, of an odd degree."""
    low, high = inside[0]
    if low > 0:
        return power(inside, 1 / degree)
    if high < 0:
        return [times((-1.0, -1.0), one) for one in power([times((-1.0, -1.0), one) for one in inside], 1 / degree)]
    if degree < 0:
        raise Unbounded
    return unknown(around(-_raised(-low, 1 / degree), _raised(high, 1 / degree)))


def size(inside: Series) -> Series:
    """Return the absolute value."""
    low, high = inside[0]
    if low >= 0:
        return inside
    return [times((-1.0, -1.0), one) for one in inside] if high <= 0 else unknown((0.0, max(-low, high)))


def sign(inside: Series) -> Series:
    """Return the sign."""
    low, high = inside[0]
    if low > 0 or high < 0:
        return [(1.0, 1.0) if low > 0 else (-1.0, -1.0)]
    return unknown((-1.0, 1.0))


def larger(one: Series, other: Series) -> Series:
    """Return the larger one of two."""
    if one[0][0] >= other[0][1]:
        return one
    if other[0][0] >= one[0][1]:
        return other
    return unknown((max(one[0][0], other[0][0]), max(one[0][1], other[0][1])))


def inverse_tangent(inside: Series) -> Series:
    """Return the angle of a slope."""
    return _sloped(
        monotone(atan, inside[0]), inside, divided([(1.0, 1.0)], added([(1.0, 1.0)], whole_power(inside, 2)))
    )


def _one_less_square(inside: Series) -> Series:
    return added([(1.0, 1.0)], [times((-1.0, -1.0), one) for one in whole_power(inside, 2)])


def inverse_sine(inside: Series) -> Series:
    """Return the angle of a sine."""
    low, high = max(inside[0][0], -1.0), min(inside[0][1], 1.0)
    if low - inside[0][0] > _NOISE or inside[0][1] - high > _NOISE:
        raise Unbounded
    first = monotone(asin, (low, high))
    return _sloped(first, inside, power(_one_less_square(inside), -0.5)) if -1 < low <= high < 1 else unknown(first)


def inverse_cosine(inside: Series) -> Series:
    """Return the angle of a cosine."""
    found = [times((-1.0, -1.0), one) for one in inverse_sine(inside)]
    return added([around(pi / 2, pi / 2)], found)


def inverse_hyperbolic_sine(inside: Series) -> Series:
    """Return the number of a hyperbolic sine."""
    return _sloped(monotone(asinh, inside[0]), inside, power(added([(1.0, 1.0)], whole_power(inside, 2)), -0.5))


def inverse_hyperbolic_tangent(inside: Series) -> Series:
    """Return the number of a hyperbolic tangent."""
    return _sloped(monotone(atanh, inside[0]), inside, divided([(1.0, 1.0)], _one_less_square(inside)))


def hyperbolic_tangent(inside: Series) -> Series:
    """Return the hyperbolic tangent."""
    double = exponential([times((2.0, 2.0), one) for one in inside])
    found = added([(1.0, 1.0)], divided([(-2.0, -2.0)], added([(1.0, 1.0)], double)))
    return [monotone(tanh, inside[0]), *found[1:]]


def error_function(inside: Series) -> Series:
    """Return the error function."""
    fall = exponential([times((-1.0, -1.0), one) for one in whole_power(inside, 2)])
    return _sloped(monotone(erf, inside[0]), inside, multiplied([around(2 / pi**0.5, 2 / pi**0.5)], fall))


def floored(inside: Series) -> Series:
    """Return the whole number below."""
    low, high = inside[0]
    if abs(low) == inf or abs(high) == inf:
        raise Unbounded
    ends = float(floor(low)), float(floor(high))
    return [ends] if ends[0] == ends[1] else unknown(ends)
