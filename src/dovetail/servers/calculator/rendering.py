"""How exact numbers are written: as fractions, and as decimals of so many digits. Bounded, and linear enough.

`decimal` writes whole numbers of any length; `str` of an `int` refuses more than 4,300 digits, and rightly so.
"""

from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Final

SHOWN: Final = 12_000
"""Characters of an exact result that are shown."""


def exact_text(value: Fraction) -> str | None:
    """Return a number as `12` or `1/3`; None if it is too long to be shown."""
    bits = value.numerator.bit_length() + value.denominator.bit_length()
    if bits > SHOWN * 3.3:
        return None
    numerator = format(Decimal(value.numerator), "f")
    return numerator if value.denominator == 1 else f"{numerator}/{format(Decimal(value.denominator), 'f')}"


def decimal_text(value: Fraction, digits: int) -> str:
    """Return a number as a decimal, rounded to so many significant digits, without trailing zeros."""
    context = Context(prec=digits, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)
    return plain(context.divide(Decimal(value.numerator), Decimal(value.denominator)), digits)


def plain(rounded: Decimal, digits: int) -> str:
    """Return a decimal as people write it: with an exponent only where it is very large or small."""
    if not rounded:
        return "0"
    context = Context(prec=max(digits, 1), Emax=MAX_EMAX, Emin=MIN_EMIN)
    short = context.normalize(rounded)
    whole = len(short.as_tuple().digits) < digits and short.adjusted() < 21
    if -10 <= short.adjusted() < digits or (whole and short.adjusted() > 0):
        return format(short, "f")
    return format(short, "e").replace("e+", "e")
