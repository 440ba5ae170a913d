"""What is looked for: from a person's words to full-text expressions, and from what they hit to an order. Sans I/O.

Nothing of the full-text language gets through: each word is a quoted string in it, so that `"`, `*`, `^`, `NEAR`, `OR`
and `name:` are letters like others, or nothing.
"""

import re
from collections.abc import Iterable
from math import log
from typing import Final
from unicodedata import normalize

import msgspec

from dovetail.servers.memory.numbering import BITS, FIRST, MASK, NAME, TYPE

MOST_TERMS: Final = 12
"""Words of a query that count."""
QUERY_CHARS: Final = 1_000

_PIECES: Final = re.compile(r'"([^"]+)"|([^\s"]+)')
_UNPRINTED: Final = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN: Final = re.compile(r"[\w\s.,:;'’\-]+")
_WEIGHTS: Final = {NAME: 4.0, TYPE: 2.0}
"""What a hit counts in a name and in a type, beside 1 in an observation."""


class Term(msgspec.Struct, frozen=True):
    """One word, or several between double quotes.

    Attributes:
        text: As it was written.
    """

    text: str

    @property
    def plain(self) -> bool:
        """Whether it is made of letters, digits and what stands between words; `C++` is not."""
        return _PLAIN.fullmatch(self.text) is not None and any(c.isalnum() for c in self.text)

    @property
    def words(self) -> str:
        """The expression that finds words that begin so; short ones, and phrases of such, as they are."""
        return quoted(self.text) + ("*" if len(self.text) > 2 else "")

    @property
    def part(self) -> str:
        """The expression that finds the text anywhere, for the index of three letters each; empty if it is shorter."""
        return quoted(self.text) if len(self.text) > 2 else ""

    @property
    def like(self) -> str:
        """The pattern that finds the text anywhere, with a backslash as the escape."""
        escaped = self.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"%{escaped}%"


def quoted(text: str) -> str:
    """Return a text as one string of the full-text language."""
    return '"' + text.replace('"', '""') + '"'


def terms(query: str) -> list[Term]:
    """Cut a query into what is looked for, each once, at most `MOST_TERMS`."""
    # An accent that is a character of its own is a separator to the index.
    cleaned = _UNPRINTED.sub(" ", normalize("NFC", query[:QUERY_CHARS]))
    found = (phrase or word for phrase, word in _PIECES.findall(cleaned))
    texts = dict.fromkeys(stripped for text in found if (stripped := text.strip().casefold()))
    return [Term(text) for text in list(texts)[:MOST_TERMS]]


class Hits(msgspec.Struct, frozen=True):
    """Numbers of texts that a term was found in.

    Attributes:
        words: Where it is a word, or the beginning of one.
        parts: Where it is a part of a word, which counts half.
    """

    words: list[int]
    parts: list[int]


def ranked(hits: Iterable[Hits], size: int, exact: int | None) -> list[int]:
    """Order the entities that were hit, best first.

    An entity counts by the best hit of each term: rare terms count more, and who has them all more than who has some.

    Args:
        hits: What each term hit.
        size: How many entities there are, or a little more.
        exact: The entity whose name is the whole query.
    """
    scores: dict[int, float] = {}
    covered: dict[int, int] = {}
    terms_sought = 0
    for found in hits:
        terms_sought += 1
        best = _best(found)
        rarity = log(2.0 + size / (1 + len(best)))
        for entity, value in best.items():
            scores[entity] = scores.get(entity, 0.0) + rarity * value
            covered[entity] = covered.get(entity, 0) + 1
    # The newest of equal ones comes first.
    order = [(-score * covered[entity] ** 2, -entity) for entity, score in scores.items() if entity != exact]
    order.sort()
    first = [] if exact is None else [exact]
    return first + [-entity for _, entity in order]


def _best(found: Hits) -> dict[int, float]:
    """Return what the best hit of each entity counts."""
    best: dict[int, float] = {}
    for numbers, weight in ((found.words, 1.0), (found.parts, 0.5)):
        for number in numbers:
            entity, place = number >> BITS, number & MASK
            value = weight if place >= FIRST else weight * _WEIGHTS[place]
            if value > best.get(entity, 0.0):
                best[entity] = value
    return best
