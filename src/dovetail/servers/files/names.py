"""Paths as text: what a peer wrote becomes steps below a root, or is refused. Nothing here looks anything up.

The text is the first of two lines of defence, and the weaker one: whatever passes, `beneath` follows no link and no
`..`. So it refuses only what means a way out to somebody, here or elsewhere, and not what is merely odd: on POSIX a
name may hold `:`, a backslash or a trailing dot, and real files do; `dovetail.store.safe_join`, which is for names
that an author makes up, refuses those.

A name is judged as it is, and as it reads when somebody decodes it once, twice or three times more, with a backslash
read as a slash.
"""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote as percent
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from dovetail.errors import UnsafePath

LONGEST: Final = 4096
"""Bytes in a path, as POSIX has it."""
MOST_STEPS: Final = 128
"""Directories in a path."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ELSEWHERE: Final = re.compile(r"^/|^[A-Za-z]:(/|$)|:\$")
_DECODINGS: Final = 3


def steps_of(path: str) -> tuple[str, ...]:
    """Cut a relative path into names, each one step down.

    Raises:
        UnsafePath: It is absolute, holds a step up or a control character, or becomes such a path when it is decoded
            once more or read by another system; or it is too long.
    """
    if len(path) > LONGEST or len(path.encode("utf-8", "surrogatepass")) > LONGEST:
        raise UnsafePath(f"The path is longer than {LONGEST} bytes")
    if _CONTROL.search(path):
        raise UnsafePath("The path holds a control character")
    if path.startswith("/"):
        raise UnsafePath("The path is absolute")
    steps = tuple(step for step in path.split("/") if step not in ("", "."))
    if len(steps) > MOST_STEPS:
        raise UnsafePath(f"The path has more than {MOST_STEPS} steps")
    for step in steps:
        reason = _danger(step)
        if reason:
            raise UnsafePath(f"The path holds {reason}")
    return steps


def _danger(step: str) -> str | None:
    """Say what a name means besides itself; None when it is a plain name."""
    if not ("%" in step or "\\" in step or ":" in step or step[0] in ". "):
        return None
    reading = step
    for _ in range(_DECODINGS + 1):
        slashed = reading.replace("\\", "/")
        if any(part and part != "." and not part.strip(". ") for part in slashed.split("/")):
            return "a step up; write the path that you mean, without `..`"
        if _ELSEWHERE.search(slashed) or _CONTROL.search(slashed):
            return "a drive, a stream, or something that is still encoded"
        decoded = unquote(reading, errors="replace")
        if decoded == reading:
            return None
        reading = decoded
    return "something that is encoded several times"


def check_new(name: str) -> None:
    """Refuse a name for something new that a person could not see or type.

    Raises:
        UnsafePath: It holds characters that are not printed, such as those that turn the direction of writing around.
    """
    if not name.isprintable():
        raise UnsafePath("The name holds a character that cannot be printed")


def below(path: str, root: str) -> str | None:
    """Return what of an absolute path lies below a root, by their text; None when it lies elsewhere.

    `/data-x` does not lie below `/data`.
    """
    if path == root:
        return ""
    prefix = root if root.endswith("/") else root + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def nearest(path: str, roots: Sequence[Sequence[str]]) -> tuple[int, str] | None:
    """Find the root, given by its spellings, that lies closest above an absolute path; and what is left of the path."""
    found: tuple[int, str] | None = None
    for index, spellings in enumerate(roots):
        for spelling in spellings:
            rest = below(path, spelling)
            if rest is not None and (found is None or len(rest) < len(found[1])):
                found = (index, rest)
    return found


def uri_of(path: str) -> str:
    """Return the `file://` URI of an absolute path, in its one canonical spelling (as `pathlib` has it)."""
    return "file://" + percent(path.encode("utf-8", "surrogateescape"))


def path_of(uri: str) -> str | None:
    """Return the absolute path of a `file://` URI of this machine; None when it is something else."""
    try:
        parts = urlsplit(uri)
        path = unquote_to_bytes(parts.path).decode("utf-8")
    except ValueError:
        return None
    if parts.scheme.lower() != "file" or parts.netloc.lower() not in ("", "localhost") or parts.query or parts.fragment:
        return None
    if not path.startswith("/") or _CONTROL.search(path):
        return None
    return path


def visible(name: str) -> str:
    """Return a name of the file system as text: what is no UTF-8, or a control character, becomes U+FFFD."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _CONTROL.sub("\ufffd", text)
