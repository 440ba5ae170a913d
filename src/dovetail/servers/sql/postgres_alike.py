"""A PostgreSQL statement in a form that the parser splits into the words that PostgreSQL will see. Sans-I/O.

The parser's own scanner takes `$1,$` for the start of a quote, and a blank that is not ASCII for a blank: what stands
behind is hidden from it, or made up. So what is parsed is written from PostgreSQL's words (`postgres_words`):
parameters stand apart, dollar quotes are plain texts, names that others could split are in quotes, comments are blank.
Neither is trusted alone: a form that the parser's scanner still splits otherwise is refused (`check`).
"""

from collections.abc import Iterator
from functools import lru_cache
from re import compile as pattern

from sqlglot import tokenize

from dovetail.errors import ToolError
from dovetail.servers.sql.postgres_words import Word, words
from dovetail.servers.sql.statements import REMEMBERED

_PLAIN = pattern(r"[A-Za-z0-9_]*")
_BLANK = " \t\n\r\f\v"
_NO_BLANK = pattern(rf"[^{_BLANK}]")
_PREFIX = 1
"""Letters that may stand before a text and belong to it: `b`, `e`, `n` or `x`."""


def alike(sql: str, found: list[Word]) -> str:
    """Return the form of a statement.

    Lines stay as they are, and of most statements every character: the parser tells where it stumbles.
    """
    parts: list[str] = []
    at = 0
    for word in found:
        parts.append(_NO_BLANK.sub(" ", sql[at : word.start]))  # blanks and comments
        parts.append(_written(sql, word))
        at = word.end
    parts.append(_NO_BLANK.sub(" ", sql[at:]))
    return "".join(parts)


def _written(sql: str, word: Word) -> str:
    text = sql[word.start : word.end]
    after = sql[word.end : word.end + 1]
    if word.kind == "bound":
        return text if after in _BLANK else f"{text} "
    if word.kind == "text" and text[0] == "$":
        edge = text.index("$", 1) + 1
        return _apart(sql, word, "'" + text[edge:-edge].replace("'", "''") + "'")
    if word.kind == "name" and text[0] != '"' and not _PLAIN.fullmatch(text):
        return _apart(sql, word, f'"{word.text}"')
    if word.kind == "sign" and text == "$":
        raise ToolError("A `$` stands alone: write $1, $2 for what is bound, and $$text$$ for a text.")
    return text


def _apart(sql: str, word: Word, quoted: str) -> str:
    """A text or name in quotes, as long as it was where that can be; two quotes side by side would be one."""
    short = word.end - word.start - len(quoted)
    before = sql[word.start - 1 : word.start]
    left = " " if short > 1 or before in ("'", '"', "$") else ""
    right = " " * (short - len(left)) or (" " if sql[word.end : word.end + 1] in ("'", '"', "$") else "")
    return left + quoted + right


def check(form: str) -> None:
    """Refuse a form whose words the parser sees otherwise; it has been parsed.

    Raises:
        ToolError: It does.
    """
    if not (_agreed if len(form) <= REMEMBERED else _agreed.__wrapped__)(form):
        raise ToolError("The statement can be split into words in several ways. Write it more plainly, or bind texts.")


@lru_cache(256)
def _agreed(form: str) -> bool:
    # Quoted texts and names are the same ones, and everything else is a word to both: nothing is left out.
    quoted = {word.end: word.start for word in words(form) if form[word.end - 1] in "'\""}
    at = 0
    for start, end in _tokens(form):
        if start < at or form[at:start].strip(_BLANK):
            return False
        at = end
        opened = quoted.pop(end, None)
        if opened is None:
            if "'" in form[start:end] or '"' in form[start:end]:
                return False
        elif not opened - _PREFIX <= start <= opened:
            return False
    return not quoted and not form[at:].strip(_BLANK)


def _tokens(form: str) -> Iterator[tuple[int, int]]:
    return ((token.start, token.end + 1) for token in tokenize(form, read="postgres"))
