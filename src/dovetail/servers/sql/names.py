"""Names that were probably meant, and names as SQL writes them. Sans-I/O."""

from collections.abc import Iterable
from difflib import get_close_matches

from dovetail.errors import ToolError, quote


class UnknownTable(ToolError):
    """There is no such table, or none that may be seen: nobody is told which."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """Name those that were probably meant, of those that may be seen."""
        super().__init__(unknown("table", name, known, "list_tables shows what there is."))


def quoted(name: str) -> str:
    """Return a name as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return known names that look like one, the likeliest first; upper and lower case are alike."""
    by_fold: dict[str, str] = {}
    for one in known:
        by_fold.setdefault(one.lower(), one)
    return [by_fold[one] for one in get_close_matches(name.lower(), by_fold, most, 0.6)]


def unknown(what: str, name: str, known: Iterable[str], otherwise: str) -> str:
    """Say that there is no such thing, and what there is instead."""
    known = list(known)
    close = nearest(name, known)
    if close:
        return f"There is no {what} {quote(name, 80)}. Did you mean {' or '.join(close)}?"
    if 0 < len(known) <= 12:
        return f"There is no {what} {quote(name, 80)}. There are: {', '.join(known)}."
    return f"There is no {what} {quote(name, 80)}. {otherwise}"
