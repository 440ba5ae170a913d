"""Patterns for names, matched step by step and in bounded time. Sans-I/O.

`*` and `?` stay within a name, `**` spans directories, `[a-z]` is a set. A pattern without a slash is matched with the
name alone, at any depth; one with a slash, with the path below the directory that is searched.
"""

from dovetail import ToolError
from dovetail.servers.files.grep import fits

LONGEST = 512
MOST_STEPS = 32


class Glob:
    """One pattern."""

    __slots__ = ("_ignore_case", "steps")

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
        self.steps = tuple(step.casefold() for step in steps) if ignore_case else tuple(steps)

    def __repr__(self) -> str:
        return f"<Glob {'/'.join(self.steps)}>"

    def matches(self, path: tuple[str, ...]) -> bool:
        """Tell whether a path below the directory fits the whole pattern."""
        return fits(self.steps, tuple(name.casefold() for name in path) if self._ignore_case else path)
