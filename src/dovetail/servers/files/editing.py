"""Edits of a text, and the diff that shows them. Sans-I/O.

An edit names the text that it replaces, which stands in the file once. The file keeps its line ends and its byte order
mark: where it has `\\r\\n` throughout, so has what an edit says with `\\n`; where lines end in both ways, `\\n` is
either, and what comes ends as what it replaces. Who says `\\r\\n` there means it, if the text stands there so.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dovetail import ToolError

_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")  # `splitlines` would also split where no tool for patches does
_END: Final = re.compile(r"\r?\n")
_CONTEXT: Final = 3
_MOST_COMPARED: Final = 4_000
"""Lines that are compared one by one; a larger change is shown as a block that goes and a block that comes."""
_HIGHEST_COST: Final = 4_000_000
_WORDS: Final = 50
_ADVISED: Final = 1 << 20
"""Characters of a text in which a place is looked for that is nearly right; it takes words times characters."""


@dataclass
class Edit:
    """One replacement.

    Attributes:
        old_text: What stands in the file now, exactly, with its white space; it must stand there once.
        new_text: What shall stand there.
        everywhere: Replace every place where it stands.
    """

    old_text: str
    new_text: str
    everywhere: bool = False


def apply(text: str, edits: Sequence[Edit]) -> str:
    """Apply edits one after the other.

    Raises:
        ToolError: One does not fit; says which, and what to do.
    """
    windows = "\r\n" in text and not re.search(r"(?<!\r)\n", text)
    mixed = "\r\n" in text and not windows
    for number, edit in enumerate(edits):
        old, new = edit.old_text, edit.new_text
        if windows:
            old, new = (re.sub(r"\r?\n", "\r\n", part) for part in (old, new))
        who = f"edits[{number}].old_text"
        exact = "\r\n" in old + new and old in text
        replaced = _replaced_lines if mixed and not exact else _replaced
        text = replaced(text, old, new, edit.everywhere, who)
    return text


def _replaced_lines(text: str, old: str, new: str, everywhere: bool, who: str) -> str:
    """Replace as if all lines ended alike; each keeps its end, and those that are new have that of the last one."""
    ends = _END.findall(text)
    flat, old, new = (_END.sub("\n", part) for part in (text, old, new))
    lines = _replaced(flat, old, new, everywhere, who).split("\n")
    gone, come = old.count("\n"), new.count("\n")
    kept: list[str] = []
    done = first = begin = 0
    while (at := flat.find(old, begin)) >= 0:
        first += flat.count("\n", begin, at)
        replaced = ends[first : first + gone]
        like = replaced[-1:] or ends[first : first + 1] or ends[-1:]
        kept += ends[done:first] + replaced[:come] + like * (come - gone)
        begin, first = at + len(old), first + gone
        done = first
    return "".join(map(str.__add__, lines, [*kept, *ends[done:], ""]))


def _replaced(text: str, old: str, new: str, everywhere: bool, who: str) -> str:
    if not old:
        raise ToolError(f"{who}: empty. To write a whole file, use write_file.")
    if everywhere and old in text:
        return text.replace(old, new)
    at = text.find(old)
    if at < 0:
        raise ToolError(f"{who}: does not stand in the file. {_advice(text, old)}")
    again = text.find(old, at + 1)
    if again >= 0:
        raise ToolError(
            f"{who}: stands there more than once, such as in lines {_line(text, at)} and {_line(text, again)}. "
            "Add lines around it until it is the only one, or say everywhere=true."
        )
    return text[:at] + new + text[at + len(old) :]


def _advice(text: str, old: str) -> str:
    """Say where it nearly stands: with other white space."""
    wanted = old.split()[:_WORDS]
    if wanted and len(text) <= _ADVISED:
        near = re.search(r"\s+".join(map(re.escape, wanted)), text)
        if near is not None:
            return f"With other white space it does, from line {_line(text, near.start())} on: copy that exactly."
    return "Nothing was changed. Read the file again: it may have changed."


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def diff(old: str, new: str, name: str, most: int) -> str:
    """Return a unified diff of at most so many characters; empty when nothing changed."""
    before, after = _LINES.findall(old), _LINES.findall(new)
    lines, size = [f"--- a/{name}\n", f"+++ b/{name}\n"], 0
    for line in _hunks(before, after):
        size += len(line)
        if size > most:
            lines.append(f"... cut at {most} characters: read the file to see the rest\n")
            break
        lines.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(lines) if size else ""


def _hunks(before: list[str], after: list[str]) -> Iterator[str]:
    """Compare only what lies between the first and the last line that differ: nothing else can be in a hunk."""
    least = min(len(before), len(after))
    head = next((i for i in range(least) if before[i] != after[i]), least)
    tail = next((i for i in range(least - head) if before[-1 - i] != after[-1 - i]), least - head)
    head, tail = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    gone, come = before[head : len(before) - tail], after[head : len(after) - tail]
    if max(len(gone), len(come)) > _MOST_COMPARED or len(gone) * len(come) > _HIGHEST_COST:
        yield f"@@ -{head + 1},{len(gone)} +{head + 1},{len(come)} @@\n"
        yield from (f"-{line}" for line in gone)
        yield from (f"+{line}" for line in come)
        return
    for index, line in enumerate(difflib.unified_diff(gone, come, n=_CONTEXT)):
        if index >= 2:
            yield _moved(line, head) if line.startswith("@@ ") else line


def _moved(header: str, by: int) -> str:
    """Return the header of a hunk, counted from the beginning of the file."""
    return re.sub(r"([-+])(\d+)", lambda found: f"{found[1]}{int(found[2]) + by}", header)
