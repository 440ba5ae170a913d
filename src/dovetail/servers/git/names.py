"""Names of files as text, and back: Git's own quoting, so that no name can write to a terminal or hide (S-29).

A file's name is bytes. One that is plain UTF-8 stands as it is; any other stands in double quotes with C escapes, as
`git status` shows it. What was shown can be given back as an argument. Sans-I/O.
"""

import re
from typing import Final

LONGEST: Final = 16_384
"""Characters of a path that is given as an argument; quoting makes four of a byte."""

# What a terminal obeys, and what the eye does not see: C0, DEL, C1, soft hyphen, the zero-width, those that reorder
# text, line and paragraph separators, fillers, interlinear marks, tags, and surrogates (bytes that are no text).
HIDDEN: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff\ud800-\udfff"
)
_ODD = re.compile(f'[\t\n"\\\\\u200c\u200d\ufe00-\ufe0f{HIDDEN}]')
_ESCAPES: Final = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_UNESCAPES: Final = {escape[1:].encode(): bytes([code]) for code, escape in _ESCAPES.items()}
_ESCAPED = re.compile(rb"\\(?:([0-3][0-7]{2})|([abtnvfr\"\\])|(.|$))", re.DOTALL)


class BadName(ValueError):
    """A path that cannot be one; the text says why."""


def quote_name(name: bytes) -> str:
    """Return a file's name as text: as it is, or quoted as Git does."""
    text = name.decode("utf-8", "surrogateescape")
    if _ODD.search(text) is None:
        return text
    return '"' + _ODD.sub(_escaped, text) + '"'


def _escaped(found: re.Match[str]) -> str:
    raw = found[0].encode("utf-8", "surrogateescape")
    return _ESCAPES.get(raw[0]) or "".join(f"\\{byte:03o}" for byte in raw)


def read_name(text: str) -> bytes:
    """Return the name that a text stands for: quoted, or as it is.

    Raises:
        BadName: Quotes with something in them that is no escape; or no UTF-8.
    """
    if len(text) > LONGEST:
        raise BadName("the path is too long")
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise BadName("the path is no valid Unicode") from None
    if len(raw) < 2 or not (raw.startswith(b'"') and raw.endswith(b'"')):
        return raw
    return _ESCAPED.sub(_plain, raw[1:-1])


def _plain(found: re.Match[bytes]) -> bytes:
    octal, escape, wrong = found.groups()
    if wrong is not None:
        raise BadName("a path in quotes has an escape that is none")
    return bytes([int(octal, 8)]) if octal else _UNESCAPES[escape]


def read_path(text: str) -> tuple[bytes, ...]:
    """Return the steps of a path inside the repository; none for its root.

    Raises:
        BadName: An absolute path, a step up, a NUL, or a name that belongs to Git.
    """
    raw = read_name(text)
    if raw.startswith(b"/") or b"\0" in raw:
        raise BadName("a path is relative to the root of the repository")
    steps = tuple(step for step in raw.split(b"/") if step not in (b"", b"."))
    if any(step == b".." for step in steps):
        raise BadName("a path has no step up (..): it is relative to the root of the repository")
    if any(_is_git(step) for step in steps):
        raise BadName("a path never leads into .git")
    return steps


def _is_git(step: bytes) -> bool:
    lowered = step.lower().rstrip(b". ")
    return lowered.partition(b":")[0] == b".git" or lowered == b"git~1"
