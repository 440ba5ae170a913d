"""The calculator's errors: all are texts that a model reads, and say what to do next."""

from typing import Final

from dovetail.errors import ToolError

_LOG10_2: Final = 0.30102999566398
_TELLABLE: Final = 1 << 60


class CalculatorError(ToolError):
    """An expression that means nothing, or has no answer here.

    Attributes:
        at: The place in the expression, counted in characters from 0; None where it is about no one place.
    """

    def __init__(self, message: str, at: int | None = None) -> None:
        super().__init__(message if at is None else f"{message} (at character {at + 1})")
        self.at = at


class TooLarge(CalculatorError):
    """A number that would not fit, refused before it is computed.

    Attributes:
        bits: About how many bits it would have.
    """

    def __init__(self, bits: int, most: int) -> None:
        digits = f"about {int(bits * _LOG10_2):,}" if bits < _TELLABLE else f"far more than 10^{len(hex(bits)) - 3}"
        super().__init__(
            f"This would be a number of {digits} digits; at most {int(most * _LOG10_2):,} are computed. "
            "Use smaller numbers, or its logarithm: log(a^b) is b*log(a)."
        )
        self.bits = bits


class TooMuch(CalculatorError):
    """More work in all than one expression is worth."""

    def __init__(self) -> None:
        super().__init__("This is too much work for one expression; compute parts of it one by one")


class Irrational(CalculatorError):
    """The exact answer is no fraction; it is computed with symbols instead. Never leaves the server."""

    def __init__(self) -> None:
        super().__init__("The answer is not a rational number")
