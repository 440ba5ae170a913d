"""Lines for people: in colour on a terminal that has some (and no NO_COLOR), plain and whole everywhere else."""

import errno
from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.text import Text


class Line(msgspec.Struct, frozen=True):
    """One line: pieces of text with their styles.

    Attributes:
        pieces: (text, style), the style empty for plain.
        cut: Whether it may be cut at the edge of a terminal; it is wrapped otherwise. In a pipe it is never either.
    """

    pieces: list[tuple[str, str]]
    cut: bool = False


class _Pipe(Console):
    """A console whose reader may have gone, which is the caller's to decide: rich would end the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "nobody reads standard output")


def show(lines: Iterable[Line]) -> None:
    """Print lines to stdout.

    Raises:
        OSError: It cannot be written to.
    """
    console = _Pipe(highlight=False, emoji=False, markup=False)
    for line in lines:
        text = Text.assemble(*line.pieces)
        if line.cut and console.is_terminal:
            text.truncate(console.width, overflow="ellipsis")
        console.print(text, soft_wrap=True)
