"""What a revision may look like: a small, closed grammar. A string is parsed here and never handed on to anything else.

    revision = name *step        name: HEAD, a branch, a tag, a remote branch, refs/..., 4 to 64 hex digits, or `@`
    step     = ~N | ^N | ^{commit} | ^{tree} | ^{tag} | ^{}
    range    = revision | A..B | A...B

Reflogs (`@{1}`), searches (`:/words`, `^{/words}`) and `-` are refused: the first two read more than they say, the last
is no revision. Sans-I/O.
"""

import re
from typing import Final, Literal

import msgspec

LONGEST: Final = 256
FARTHEST: Final = 100_000
"""Steps back in one revision, such as `HEAD~100000`."""
_STEPS: Final = 32

# git-check-ref-format(1): no control character, space, ~ ^ : ? * [ \, no "..", "@{", "//", no dot at a start.
_BAD: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)")
_STEP: Final = re.compile(r"~(?P<back>[0-9]{0,6})|\^(?:\{(?P<peel>[a-z]{0,6})\}|(?P<parent>[0-9]{0,2}))")
_HEX: Final = re.compile(r"[0-9a-fA-F]{4,64}")
_NAME: Final = re.compile(r"[^~^]*")

HELP: Final = "Give a branch, a tag, a commit id, HEAD, or one of them with ~N or ^N."


class BadRevision(ValueError):
    """A string that is no revision; the text says what is one."""


class Step(msgspec.Struct, frozen=True):
    """One step from an object to another: `number` parents back, the parent of that number, or a peel."""

    kind: Literal["back", "parent", "peel"]
    number: int = 0
    peel: str = ""


class Revision(msgspec.Struct, frozen=True):
    """A name, and steps from what it names."""

    name: str
    steps: tuple[Step, ...] = ()

    @property
    def is_hex(self) -> bool:
        """True when the name may be an object's id, or the beginning of one."""
        return _HEX.fullmatch(self.name) is not None


class Range(msgspec.Struct, frozen=True):
    """One revision, or two: `A..B` is what B has and A has not, `A...B` begins where the two parted."""

    end: Revision
    start: Revision | None = None
    symmetric: bool = False


def parse_revision(text: str) -> Revision:
    """Parse one revision.

    Raises:
        BadRevision: Anything else.
    """
    if not text or len(text) > LONGEST:
        raise BadRevision(f"A revision has 1 to {LONGEST} characters. {HELP}")
    found = _NAME.match(text)
    name = found[0] if found else ""
    _check_name(name)
    steps: list[Step] = []
    at = len(name)
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None or len(steps) == _STEPS:
            raise BadRevision(f"What follows the name is no ~N, ^N or ^{{commit}}. {HELP}")
        steps.append(_step(step))
        at = step.end()
    return Revision("HEAD" if name == "@" else name, tuple(steps))


def _check_name(name: str) -> None:
    if name.startswith("-"):
        raise BadRevision(f"A revision never begins with '-': there are no options here. {HELP}")
    if not name or name.startswith((".", "/")) or name.endswith((".", "/")) or _BAD.search(name):
        raise BadRevision(f"That is no name of a revision. {HELP}")
    if not name.isprintable():
        raise BadRevision(f"A revision holds a character that cannot be seen. {HELP}")


def _step(found: re.Match[str]) -> Step:
    back, peel, parent = found["back"], found["peel"], found["parent"]
    if back is not None:
        number = int(back or 1)
        if number > FARTHEST:
            raise BadRevision(f"~N goes at most {FARTHEST} back")
        return Step("back", number)
    if peel is not None:
        if peel not in ("", "commit", "tree", "tag"):
            raise BadRevision("^{...} takes commit, tree, tag or nothing")
        return Step("peel", peel=peel or "any")
    return Step("parent", int(parent or 1))


def parse_range(text: str) -> Range:
    """Parse a revision, `A..B` or `A...B`; a side that is missing is HEAD.

    Raises:
        BadRevision: Anything else.
    """
    if len(text) > 2 * LONGEST:
        raise BadRevision(f"A revision has 1 to {LONGEST} characters. {HELP}")
    before, dots, after = text.partition("..")
    if not dots:
        return Range(parse_revision(text))
    symmetric = after.startswith(".")
    after = after[1:] if symmetric else after
    if not before and not after:
        raise BadRevision(f"A range has a revision on one side at least: A..B. {HELP}")
    return Range(parse_revision(after or "HEAD"), parse_revision(before or "HEAD"), symmetric)
