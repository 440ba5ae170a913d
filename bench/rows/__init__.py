"""The rows: each module measures some, and nothing runs on import. A function measures what it is asked to."""

from collections.abc import Callable

import msgspec

from bench.sides import SIDES, Side
from bench.table import Row


class Plan(msgspec.Struct):
    """How much to measure, and of whom.

    Attributes:
        rounds: Of each side, interleaved.
        scale: 1.0 for a full run; less for a quick one, which proves the harness and nothing else.
        sides: Names of the sides.
    """

    rounds: int = 9
    scale: float = 1.0
    sides: list[str] = msgspec.field(default_factory=lambda: list(SIDES))

    def those(self, row: Row, *names: str) -> list[Side]:
        """The sides of a row that are wanted and installed; the row notes those that are not."""
        wanted = [SIDES[name] for name in names if name in self.sides]
        for side in wanted:
            if side.missing():
                row.notes.append(f"{side.name} is not installed")
        return [side for side in wanted if not side.missing()]


Measure = Callable[[Plan], Row] | Callable[[Plan], list[Row]]
