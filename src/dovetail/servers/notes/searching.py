"""Searching in texts: which notes hold the words, in which order, and where in them. Sans I/O."""

import re
import unicodedata
from typing import Final

from dovetail.servers.notes.records import Snippet

MOST_TERMS: Final = 12
QUERY_CHARS: Final = 1_000
_PIECES: Final = re.compile(r'"([^"]+)"|([^\s"]+)')
_SNIPPETS: Final = 3
_SNIPPET_CHARS: Final = 240
_LINES: Final = 20_000
"""Lines of a note that snippets are looked for in."""


def folded(text: str) -> str:
    """Return a text as it is compared: without case and accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))


def terms(query: str) -> list[str]:
    """Cut a query into words, and phrases between double quotes, each once, as they are compared."""
    found = (phrase or word for phrase, word in _PIECES.findall(query[:QUERY_CHARS]))
    kept = dict.fromkeys(text for piece in found if (text := " ".join(folded(piece).split())))
    return list(kept)[:MOST_TERMS]


def score(wanted: list[str], name: str, title: str, tags: str, text: str) -> tuple[float, list[str]]:
    """Tell how well a note fits, and which words it lacks; all texts folded.

    A word counts more in the name, the title and the tags, and up to five times in the text; who has all of them counts
    far more than who has some.
    """
    value, missing = 0.0, []
    for term in wanted:
        worth = 8.0 * (term in name) + 6.0 * (term in title) + 4.0 * (term in tags) + min(text.count(term), 5)
        value += worth
        if not worth:
            missing.append(term)
    share = 1 - len(missing) / max(1, len(wanted))
    return value * share**3, missing


def snippets(wanted: list[str], text: str) -> list[Snippet]:
    """Return the lines that hold the most of the words, in their order."""
    rated = []
    for number, line in enumerate(text.splitlines()[:_LINES], 1):
        low = folded(line)
        found = [term for term in wanted if term in low]
        if found:
            rated.append((-len(found), number, _cut(line, low, found[0])))
    best = sorted(rated)[:_SNIPPETS]
    return [Snippet(number, line) for _, number, line in sorted(best, key=lambda one: one[1])]


def _cut(line: str, low: str, term: str) -> str:
    """Shorten a line around a word; folding may have moved it a little."""
    if len(line) <= _SNIPPET_CHARS:
        return line.strip()
    start = max(0, low.find(term) - _SNIPPET_CHARS // 3)
    end = start + _SNIPPET_CHARS
    return ("…" if start else "") + line[start:end].strip() + ("…" if end < len(line) else "")
