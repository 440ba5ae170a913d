"""Rows of results: what was measured in each round, what was aimed at, and how that reads as a table."""

import statistics
from collections.abc import Callable
from typing import Any

import msgspec


class Target(msgspec.Struct):
    """What a row aims at: a side compared with another, or with a number.

    Attributes:
        text: As the plan words it.
        most: `ratio` may be at most this; None when it must be at least something.
        least: `ratio` must be at least this.
        against: The side that ours is divided by; empty when our value itself counts.
    """

    text: str
    against: str = ""
    most: float | None = None
    least: float | None = None


class Row(msgspec.Struct):
    """One line of the table: for each side its value in every round."""

    key: str
    title: str
    unit: str
    rounds: dict[str, list[float]] = {}
    targets: list[Target] = []
    notes: list[str] = []
    void: str = ""

    def median(self, side: str) -> float | None:
        values = self.rounds.get(side)
        return statistics.median(values) if values else None

    def ratio(self, side: str, against: str) -> float | None:
        """The median of the ratios of each round: what disturbs a round disturbs both sides of it."""
        ours, theirs = self.rounds.get(side, []), self.rounds.get(against, [])
        ratios = [one / other for one, other in zip(ours, theirs, strict=False) if other]
        return statistics.median(ratios) if ratios else None

    def verdicts(self) -> list[str]:
        """Each target with what came of it."""
        return [self._verdict(target) for target in self.targets]

    def _verdict(self, target: Target) -> str:
        found = self.ratio("dovetail", target.against) if target.against else self.median("dovetail")
        if found is None:
            return f"{target.text}: not measured"
        met = (target.most is None or found <= target.most) and (target.least is None or found >= target.least)
        return f"{target.text}: {number(found)} {'(met)' if met else '(MISSED)'}"


def number(value: float) -> str:
    """Three significant digits, no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def interleave(row: Row, runs: dict[str, Callable[[], float]], rounds: int) -> None:
    """One value of each side per round; who begins changes from round to round."""
    names = list(runs)
    for turn in range(rounds):
        for at in range(len(names)):
            name = names[(at + turn) % len(names)]
            row.rounds.setdefault(name, []).append(runs[name]())


def markdown(rows: list[Row], sides: dict[str, str]) -> str:
    """All rows as a table, their targets and notes below."""
    lines = ["| | unit | " + " | ".join(sides.values()) + " |", "|---|---|" + "--:|" * len(sides)]
    for row in rows:
        values = [row.median(side) for side in sides]
        cells = ["–" if value is None else number(value) for value in values]
        title = f"{row.title} **VOID**" if row.void else row.title
        lines.append(f"| {title} | {row.unit} | " + " | ".join(cells) + " |")
    details = []
    for row in rows:
        said = [*row.verdicts(), *([f"void: {row.void}"] if row.void else []), *row.notes]
        if said:
            details.append(f"* **{row.title}**: " + "; ".join(said) + ".")
    return "\n".join([*lines, "", *details]).rstrip() + "\n"


def plain(rows: list[Row], sides: dict[str, str]) -> str:
    """The same for a terminal."""
    widths = [max(len(row.title) + len(row.unit) + 3 for row in rows), *(max(10, len(s)) for s in sides.values())]

    def line(cells: list[str]) -> str:
        return cells[0].ljust(widths[0]) + "".join(
            cell.rjust(width + 2) for cell, width in zip(cells[1:], widths[1:], strict=True)
        )

    lines = [line(["", *sides.values()])]
    for row in rows:
        values = [row.median(side) for side in sides]
        lines.append(line([f"{row.title} [{row.unit}]", *("-" if v is None else number(v) for v in values)]))
        lines += [f"    {text}" for text in row.verdicts()]
        lines += [f"    VOID: {row.void}"] if row.void else []
        lines += [f"    {note}" for note in row.notes]
    return "\n".join(lines) + "\n"


def to_json(rows: list[Row]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            **msgspec.to_builtins(row),
            "medians": {side: row.median(side) for side in row.rounds},
            "verdicts": row.verdicts(),
        }
        for row in rows
    ]
