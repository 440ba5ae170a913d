"""What nobody may read or write: names of tables and columns, as the owner of the server wrote them.

Sans-I/O. What the names stand for in a database, and what else shows the same data (views, indexes over texts,
partitions, generated columns), is found by each database's own rules, which fail closed.
"""

from dovetail.errors import DefinitionError

Parts = tuple[str, ...]


def parse(text: str, most: int) -> Parts:
    """Split `table`, `table.column` or `schema.table.column`; a part may stand in double quotes.

    Args:
        text: One `--deny`.
        most: Parts that there can be.

    Raises:
        DefinitionError: It is no such name.
    """
    parts: list[str] = []
    rest = text
    while True:
        part, rest = _quoted(rest, text) if rest.startswith('"') else _plain(rest)
        parts.append(part)
        if not rest:
            break
        if not rest.startswith("."):
            raise _wrong(text)
        rest = rest[1:]
    if len(parts) > most or not all(parts) or "\0" in text:
        raise _wrong(text)
    return tuple(parts)


def _plain(text: str) -> tuple[str, str]:
    name, dot, rest = text.partition(".")
    return ascii_lower(name), dot + rest


def _quoted(text: str, whole: str) -> tuple[str, str]:
    name, at = "", 1
    while True:
        end = text.find('"', at)
        if end < 0:
            raise _wrong(whole)
        name += text[at:end]
        if text[end + 1 : end + 2] != '"':
            return name, text[end + 1 :]
        name, at = name + '"', end + 2


def _wrong(text: str) -> DefinitionError:
    return DefinitionError(f"deny: expected TABLE or TABLE.COLUMN, not {text[:80]!r}")


def ascii_lower(name: str) -> str:
    """Fold a name as databases do: A to Z, and no other letter."""
    return "".join(chr(ord(letter) + 32) if "A" <= letter <= "Z" else letter for letter in name)
