"""Halves of surrogate pairs, as JavaScript leaves them where it cuts a text within an emoji, and writes them to a file.

No database holds one and no message may. Here U+FFFD and the half's four digits stand for it, `\\ud83d` is U+FFFD d83d:
that can be searched for, told, and sent back as a name.

Invariants: two texts that differ stay two, and what is exported is what was imported. So that a U+FFFD before four such
digits that a text has of itself is no half, it stands there twice.
"""

import re
from typing import Final

_MARK: Final = "\ufffd"
_DIGITS: Final = "d[89a-f][0-9a-f]{2}"
_UNKEPT: Final = re.compile(f"({_MARK}*)([\ud800-\udfff])|{_MARK}+(?={_DIGITS})")
_HALF: Final = re.compile("[\ud800-\udfff]")
_KEPT: Final = re.compile(f"({_MARK}+)({_DIGITS})")


def kept(text: str) -> str:
    """Return a text as it can be kept: one without halves is left as it is, but for what looks like a kept half."""
    return _UNKEPT.sub(_keep, text)


def _keep(found: re.Match[str]) -> str:
    if found[2] is None:
        return found[0] * 2
    return f"{found[1] * 2}{_MARK}{ord(found[2]):x}"


def escaped(line: str) -> str:
    """Return JSON with the halves that its strings had before they were kept, escaped."""
    return _KEPT.sub(_escape, line)


def _escape(found: re.Match[str]) -> str:
    marks, digits = found.groups()
    escape = "\\u" if len(marks) % 2 else ""
    return f"{_MARK * (len(marks) // 2)}{escape}{digits}"


def escaped_bare(line: str) -> str:
    """Return JSON in which the halves that its strings hold as they are, never kept, are escaped."""
    return _HALF.sub(lambda found: f"\\u{ord(found[0]):x}", line)
