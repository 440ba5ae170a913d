"""What a note is called: its path below the folder, without `.md`. Sans I/O.

Invariants: a name is a safe path on every system (S-19), no step of it is hidden, and each file has exactly one name.
"""

import hashlib
import os
import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import quote as percent

from dovetail.errors import ToolError, UnsafePath, quote
from dovetail.store import safe_join

SUFFIX: Final = ".md"
NAME_CHARS: Final = 500
STEP_BYTES: Final = 200
"""Bytes of one step; file systems take 255, and a temporary name needs some."""
MOST_STEPS: Final = 16
_ODD: Final = re.compile(r'[\\:%*?"<>|]')
_IMPORTED: Final = (".md", ".markdown")


def steps_of(name: str) -> list[str]:
    """Return the steps from the folder to the file of a note.

    Args:
        name: With or without `.md`.

    Raises:
        ToolError: It is none that a note may have; the text says what is wrong with it.
    """
    plain = name.removesuffix(SUFFIX)
    reason = why_not(plain)
    if reason is not None:
        raise ToolError(
            f"{quote(name, 120)} cannot be the name of a note: {reason}. Use letters, digits, spaces, - and _, with /"
            " between folders."
        )
    steps = plain.split("/")
    return [*steps[:-1], steps[-1] + SUFFIX]


@lru_cache(maxsize=32_768)  # a folder is looked at again and again
def why_not(name: str) -> str | None:
    """Say why something is no name of a note; None when it is one."""
    if len(name) > NAME_CHARS:
        return f"it is longer than {NAME_CHARS} characters"
    steps = name.split("/")
    if len(steps) > MOST_STEPS:
        return f"it has more than {MOST_STEPS} steps"
    for step in steps:
        if not step or step != step.strip():
            return "a step of it is empty, or begins or ends with a space"
        if step.startswith("."):
            return "a step of it begins with a dot"
        if len(step.encode("utf-8", "replace")) > STEP_BYTES:
            return f"a step of it is longer than {STEP_BYTES} bytes"
    if steps[-1].endswith(SUFFIX):
        return f"it ends with {SUFFIX} twice"
    try:
        safe_join("notes", name)
    except UnsafePath as error:
        return _plain_reason(error)
    return None


def _plain_reason(error: UnsafePath) -> str:
    _, _, reason = error.message.rpartition(": ")
    return f"it holds {reason}" if reason and reason != error.message else "it leads out of the folder"


def name_of(steps: list[str]) -> str | None:
    """Return the name of the note in a file; None when there is none: no Markdown, hidden, or an odd name."""
    if not steps[-1].endswith(SUFFIX):
        return None
    name = "/".join(steps).removesuffix(SUFFIX)
    return None if why_not(name) else name


def is_folder(name: str) -> bool:
    """Tell whether something can be the name of a folder of notes; the empty one is the whole."""
    return not name or why_not(f"{name}/x") is None


def uri_of(name: str) -> str:
    """Return the URI of a note."""
    return f"note://{percent(name, safe='/')}"


def importable(file: str) -> bool:
    """Tell whether a file of another folder is Markdown to take in."""
    return not file.startswith(".") and file.lower().endswith(_IMPORTED)


def shown(steps: list[str]) -> str:
    """Return the path of a file of another folder as JSON can hold it: bytes that are no UTF-8 become `\\xe9`."""
    return os.fsencode("/".join(steps)).decode("utf-8", "backslashreplace")


def tamed(steps: list[str]) -> str:
    """Return a name for a file of another folder, whatever it is called there; the same one each time."""
    stem = steps[-1].rpartition(".")[0]
    name = "/".join(_tamed(step) for step in [*steps[:-1][: MOST_STEPS - 1], stem])
    return name if why_not(name) is None else _digested("/".join(steps))  # too long in all


def _tamed(step: str) -> str:
    kept = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", step))
    kept = re.sub(r"\s+", " ", _ODD.sub("-", kept)).strip(" .")
    while kept.endswith(SUFFIX):
        kept = kept.removesuffix(SUFFIX).rstrip(" .")
    kept = kept.encode("utf-8", "ignore")[:STEP_BYTES].decode("utf-8", "ignore").rstrip(" .")
    if why_not(kept) is None:
        return kept
    if why_not(f"_{kept}") is None:  # a name that Windows reserves
        return f"_{kept}"
    return _digested(step)


def _digested(text: str) -> str:
    return "note-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
