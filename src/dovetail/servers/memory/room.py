"""How much one answer may still hold, and what was left out of it.

Invariants: an answer holds at most the characters that it may and one item more, so that no answer is empty while there
is something. What is stored may be longer than any answer: such a text is shown by its beginning, and the answer's note
says so.
"""

from typing import Final

_CUT_TEXTS: Final = "Texts that end in … are longer than an answer may be; export_graph has them whole."
_FOR_RELATIONS: Final = 10
"""The part of an answer that is kept for relations, be it full of observations: one in so many."""


class Room:
    """How many characters an answer has left.

    Attributes:
        left: So many; not positive once it is full.
    """

    def __init__(self, characters: int) -> None:
        self.left = characters
        self._most = characters
        self._cut = False

    def fits(self, text: str) -> bool:
        """Tell whether there is room for a text, as it would be shown."""
        return self.left >= min(len(text), self._most)

    def take(self, text: str) -> str:
        """Use some of it up for a text; return what is shown of it."""
        if len(text) > self._most:
            self._cut = True
            text = text[: self._most - 1] + "…"
        self.left -= len(text)
        return text

    def turn_to_relations(self) -> None:
        """Make sure that relations get their part of an answer that others have filled."""
        self.left = max(self.left, self._most // _FOR_RELATIONS)

    def noted(self, *notes: str | None) -> str | None:
        """Put together what an answer's note says; None for nothing."""
        return " ".join(filter(None, [*notes, _CUT_TEXTS if self._cut else None])) or None
