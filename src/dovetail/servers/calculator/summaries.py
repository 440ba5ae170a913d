"""A summary of numbers, from fractions. Only a computing process makes one: sums of fractions have no bound."""

from collections import Counter
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction

import msgspec

from dovetail.servers.calculator.rendering import decimal_text, plain


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A summary of numbers; all but the counts are decimals, as text.

    Attributes:
        count: How many.
        sum: Their sum.
        mean: Their arithmetic mean.
        median: The middle one, or the mean of the two in the middle.
        modes: The most frequent ones, at most 20; empty if each stands once.
        minimum: The least.
        maximum: The greatest.
        lower_quartile: A quarter is below it (between two values, in proportion).
        upper_quartile: A quarter is above it.
        variance: Of a sample (n - 1); null for one number.
        stdev: Standard deviation of a sample; null for one number.
        population_variance: Of a population (n).
        population_stdev: Standard deviation of a population.
        note: Which of the least, the greatest, the sum and the median had to be rounded to the digits asked for.
    """

    count: int
    sum: str
    mean: str
    median: str
    modes: list[str]
    minimum: str
    maximum: str
    lower_quartile: str
    upper_quartile: str
    variance: str | None
    stdev: str | None
    population_variance: str
    population_stdev: str
    note: str | None = None


def summary(values: list[Fraction], digits: int) -> Summary:
    """Summarise one number or more."""
    ordered, count = sorted(values), len(values)
    total, median = _total(ordered), quantile(ordered, Fraction(1, 2))
    mean = total / count
    squares = _total([value * value for value in ordered]) - total * mean  # exact: nothing is lost by subtracting
    sample = squares / (count - 1) if count > 1 else None
    often = Counter(ordered).most_common(20)
    modes = sorted(value for value, times in often if times == often[0][1] and times > 1)

    def text(value: Fraction) -> str:
        return decimal_text(value, digits)

    cut = [
        name
        for name, value in (("minimum", ordered[0]), ("maximum", ordered[-1]), ("sum", total), ("median", median))
        if Fraction(text(value)) != value
    ]
    return Summary(
        count=count,
        sum=text(total),
        mean=text(mean),
        median=text(median),
        modes=[text(value) for value in modes],
        minimum=text(ordered[0]),
        maximum=text(ordered[-1]),
        lower_quartile=text(quantile(ordered, Fraction(1, 4))),
        upper_quartile=text(quantile(ordered, Fraction(3, 4))),
        variance=None if sample is None else text(sample),
        stdev=None if sample is None else root_text(sample, digits),
        population_variance=text(squares / count),
        population_stdev=root_text(squares / count, digits),
        note=f"rounded to {digits} digits: {', '.join(cut)}; ask for more with digits" if cut else None,
    )


def _total(values: list[Fraction]) -> Fraction:
    """Add in pairs, and those in pairs: so few of the additions have long denominators."""
    while len(values) > 1:
        rest = values[-1:] if len(values) % 2 else []
        values = [left + right for left, right in zip(values[::2], values[1::2], strict=False)] + rest
    return values[0]


def quantile(ordered: list[Fraction], share: Fraction) -> Fraction:
    """Return the value below which a share of the values lies, between two of them in proportion."""
    place = share * (len(ordered) - 1)
    below = int(place)
    if below + 1 >= len(ordered):
        return ordered[below]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * (place - below)


def root_text(value: Fraction, digits: int) -> str:
    """Return a square root as a decimal."""
    context = Context(prec=digits + 10, Emax=MAX_EMAX, Emin=MIN_EMIN)
    root = context.sqrt(context.divide(Decimal(value.numerator), Decimal(value.denominator)))
    return plain(Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN).create_decimal(root), digits)
