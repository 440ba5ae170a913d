"""What the calculator answers, and what it is asked in another process: plain data, typed."""

from fractions import Fraction
from typing import Final, Literal

import msgspec

from dovetail.servers.calculator.rendering import SHOWN, decimal_text, exact_text
from dovetail.servers.calculator.summaries import Summary
from dovetail.servers.calculator.tree import Tree

Kind = Literal["integer", "rational", "real", "complex", "boolean", "symbolic"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a calculation.

    Attributes:
        exact: The exact answer, such as `1/3`, `sqrt(2)/2` or `2*x + 1`; null if it is too long, or there is none.
        decimal: The same as a decimal number, rounded to the digits asked for; null if it is no number.
        unit: The unit of `exact` and `decimal`; null without one.
        kind: What it is.
        note: What else should be known, such as that something was cut off.
    """

    kind: Kind
    exact: str | None = None
    decimal: str | None = None
    unit: str | None = None
    note: str | None = None


CUT: Final = f"the exact answer has more than {SHOWN:,} characters and is left out"


def rational(value: Fraction, digits: int, note: str | None = None) -> Answer:
    """Return the answer that a fraction is."""
    text = exact_text(value)
    if text is None:
        note = f"{note}; {CUT}" if note else CUT
    kind: Kind = "integer" if value.denominator == 1 else "rational"
    return Answer(kind=kind, exact=text, decimal=decimal_text(value, digits), note=note)


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """A solution: what each unknown is.

    Attributes:
        values: By unknown.
    """

    values: dict[str, Answer]


class Solutions(msgspec.Struct, frozen=True, kw_only=True):
    """The solutions of equations.

    Attributes:
        solutions: One for each; empty if there are none.
        conditions: For an inequality, what the unknown must satisfy.
        complete: Whether these are known to be all; false if there may be others: the note says which.
        note: What else should be known.
    """

    solutions: list[Solution] = []
    conditions: str | None = None
    complete: bool = True
    note: str | None = None


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of an operation on matrices.

    Attributes:
        rows: A matrix, row by row.
        value: A single value, such as a determinant.
        values: Several, such as eigenvalues, each as often as it counts.
        note: What else should be known.
    """

    rows: list[list[Answer]] | None = None
    value: Answer | None = None
    values: list[Answer] | None = None
    note: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a computing process is asked.

    Attributes:
        do: The job; see `jobs.JOBS`.
        trees: What it is about.
        names: Variables, or options of the job; numbers as texts, where they are many.
        digits: Of decimals.
        seconds: Of processor time.
    """

    do: str
    trees: list[Tree]
    names: list[str] = []
    digits: int
    seconds: float


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What it answers: one of these."""

    answer: Answer | None = None
    solutions: Solutions | None = None
    matrix: Matrix | None = None
    summary: Summary | None = None
    error: str | None = None
    spent: bool = False
    """The process is not good for another job: it ran out of memory."""
