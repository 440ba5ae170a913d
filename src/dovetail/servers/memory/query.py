"""What is looked for: from a person's words to full-text expressions, and from what they hit to an order. Sans I/O.

Nothing of the full-text language gets through: each word is a quoted string in it, so that `"`, `*`, `^`, `NEAR`, `OR`
and `name:` are letters like others, or nothing.
"""

import re
from collections.abc import Iterable, Mapping
from math import log
from typing import Final

import msgspec

MOST_TERMS: Final = 12
"""Words of a query that count."""
QUERY_CHARS: Final = 1_000

_PIECES: Final = re.compile(r'"([^"]+)"|([^\s"]+)')
_UNPRINTED: Final = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN: Final = re.compile(r"[\w\s.,:;'’\-]+")
_OBSERVATION: Final = 2
_WEIGHTS: Final = {0: 4.0, 1: 2.0, 2: 1.0}
"""What a hit counts in a name (0), a type (1), an observation (2)."""


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
    cleaned = _UNPRINTED.sub(" ", query[:QUERY_CHARS])
    found = (phrase or word for phrase, word in _PIECES.findall(cleaned))
    texts = dict.fromkeys(stripped for text in found if (stripped := text.strip().casefold()))
    return [Term(text) for text in list(texts)[:MOST_TERMS]]


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A text that a term was found in.

    Attributes:
        entity: The entity's number.
        field: 0 its name, 1 its type, 2 an observation.
        text: The text's number.
        weight: 1.0 for words, less for parts of them.
    """

    entity: int
    field: int
    text: int
    weight: float = 1.0


def ranked(hits: Mapping[str, Iterable[Hit]], total: int, exact: int | None) -> list[tuple[int, set[int]]]:
    """Order the entities that were hit, best first, each with those of its observations that were.

    An entity counts by the best hit of each term: rare terms count more, and who has them all more than who has some.

    Args:
        hits: What each term hit.
        total: How many texts there are.
        exact: The entity whose name is the whole query.
    """
    scores: dict[int, float] = {}
    covered: dict[int, int] = {}
    texts: dict[int, set[int]] = {}
    for found in hits.values():
        best: dict[int, float] = {}
        for hit in found:
            value = _WEIGHTS[hit.field] * hit.weight
            if value > best.get(hit.entity, 0.0):
                best[hit.entity] = value
            if hit.field == _OBSERVATION:
                texts.setdefault(hit.entity, set()).add(hit.text)
        rarity = log(1.0 + total / (1 + len(best)))
        for entity, value in best.items():
            scores[entity] = scores.get(entity, 0.0) + rarity * value
            covered[entity] = covered.get(entity, 0) + 1
    if exact is not None:
        scores.setdefault(exact, 0.0)
    wanted = max(1, len(hits))

    def order(entity: int) -> tuple[bool, float, int]:
        share = covered.get(entity, 0) / wanted
        return entity != exact, -scores[entity] * share * share, -entity

    return [(entity, texts.get(entity, set())) for entity in sorted(scores, key=order)]
