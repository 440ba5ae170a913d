"""Patterns for names, matched step by step and in bounded time. Sans-I/O.

`*` and `?` stay within a name, `**` spans directories, `[a-z]` is a set. A pattern without a slash is matched with the
name alone, at any depth; one with a slash, with the path below the directory that is searched.
"""

import re
from fnmatch import fnmatchcase
from functools import cache

from dovetail import ToolError

LONGEST = 512
MOST_STEPS = 32


class Glob:
    """One pattern."""

    __slots__ = ("_ignore_case", "_steps")

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        """Read a pattern.

        Raises:
            ToolError: It is empty or too long.
        """
        steps = [step for step in pattern.split("/") if step not in ("", ".")]
        if not steps or len(pattern) > LONGEST or len(steps) > MOST_STEPS:
            raise ToolError(f"A pattern has 1 to {LONGEST} characters and at most {MOST_STEPS} steps: `*.py`, `src/**`")
        self._ignore_case = ignore_case
        if len(steps) == 1 and not pattern.startswith("/"):
            steps.insert(0, "**")
        self._steps = tuple(step.casefold() for step in steps) if ignore_case else tuple(steps)

    def __repr__(self) -> str:
        return f"<Glob {'/'.join(self._steps)}>"

    def matches(self, path: tuple[str, ...]) -> bool:
        """Tell whether a path below the directory fits the whole pattern."""
        pattern = self._steps
        names = tuple(name.casefold() for name in path) if self._ignore_case else path

        @cache
        def fits(at: int, name: int) -> bool:
            if at == len(pattern):
                return name == len(names)
            if pattern[at] == "**":
                return fits(at + 1, name) or (name < len(names) and fits(at, name + 1))
            return name < len(names) and fnmatchcase(names[name], pattern[at]) and fits(at + 1, name + 1)

        return fits(0, 0)


def as_regex(pattern: str) -> str:
    """Return a pattern as a regular expression for whole paths; it may take long, so it runs where it can be stopped.

    Raises:
        ToolError: As of `Glob`.
    """
    steps = Glob(pattern)._steps
    parts = [r"(?:[^/]+/)*" if step == "**" else _step_regex(step) + "/" for step in steps]
    if steps[-1] == "**":
        return "".join(parts) + r"[^/]+\Z"
    return "".join(parts)[:-1] + r"\Z"


def _step_regex(step: str) -> str:
    found = re.sub(r"\[(!?)([^]/]+)]|\*|\?|[^*?[]+|\[", _token, step)
    return found


def _token(found: "re.Match[str]") -> str:
    text = found[0]
    if text == "*":
        return "[^/]*"
    if text == "?":
        return "[^/]"
    if found[2]:
        inner = re.sub(r"[\\[&~|^]", r"\\\g<0>", found[2])
        return f"[{'^/' if found[1] else ''}{inner}]"
    return re.escape(text)
