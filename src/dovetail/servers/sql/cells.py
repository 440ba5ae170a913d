"""Values as JSON has them, within limits. Sans-I/O."""

from math import isfinite
from typing import Any

from dovetail.servers.sql.answers import Cell, Page

_PLAIN = (int, type(None))
_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""What JSON has no numbers for, as PostgreSQL writes it."""


class Rows:
    """A page in the making: takes rows until it is full."""

    __slots__ = ("_budget", "_cell", "_cut", "columns", "full", "limit", "rows")

    def __init__(self, columns: list[str], limit: int, cell: int, budget: int) -> None:
        """`limit` rows of values with at most `cell` characters each, and `budget` characters in all."""
        self.columns = columns
        self.rows: list[list[Cell]] = []
        self.full = False
        self.limit = limit
        self._cell = cell
        self._budget = budget
        self._cut = 0

    def add(self, row: Any) -> bool:
        """Take a row; False when there is no place for it: it belongs to the next page."""
        if len(self.rows) >= self.limit or (self._budget <= 0 and self.rows):
            self.full = True
            return False
        cells = [value if type(value) in _PLAIN else self._shown(value) for value in row]
        for cell in cells:
            self._budget -= len(cell) + 3 if type(cell) is str else 8
        self.rows.append(cells)
        return True

    def page(self, next_cursor: str | None) -> Page:
        """What was taken."""
        notes = []
        if self._cut:
            notes.append(
                f"{self._cut} long values were cut at {self._cell} characters, where … stands: read the rest with "
                "substr(column, start, length)"
            )
        if len(self.rows) < self.limit and self.full:
            notes.append("The page is full before its last row: go on with next_cursor, or select fewer columns")
        return Page(columns=self.columns, rows=self.rows, next_cursor=next_cursor, notes=notes)

    def _shown(self, value: Any) -> Cell:
        match value:
            case bool():
                return value
            case str():
                if len(value) <= self._cell:
                    return value
                self._cut += 1
                return value[: self._cell] + "…"
            case float():
                return value if isfinite(value) else _NO_NUMBERS[str(value)]
            case bytes():
                if len(value) * 2 <= self._cell:
                    return f"x'{value.hex()}'"
                self._cut += 1
                return f"x'{value[: self._cell // 2].hex()}…"
        return str(value)[: self._cell]
