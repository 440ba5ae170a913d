"""What stands above a note between two lines of `---`: found, and its title and tags read. Sans I/O.

It is never written anew: whoever changes a note sends it, or it stays byte for byte. Only the plainest of YAML is read,
without a parser for the rest of it; what is not understood is no title and no tag.
"""

import re
from typing import Final

import msgspec

LONGEST: Final = 65_536
"""Characters of a front matter that is looked at."""
MOST_TAGS: Final = 100
_BLOCK: Final = re.compile(r"\ufeff?---[ \t]*\r?\n(?P<body>(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)")
_KEY: Final = re.compile(r"(title|tags)[ \t]*:(.*)", re.IGNORECASE)
_ANY_KEY: Final = re.compile(r"^(?:[^\s#:][^:\n]*:(?=\s|\Z)|[\w-]+:(?!//))", re.MULTILINE)
_ITEM: Final = re.compile(r"[ \t]*-[ \t]+(.*)")
_HEADING: Final = re.compile(r"#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*")


class About(msgspec.Struct, frozen=True):
    """What a note says of itself.

    Attributes:
        title: In its front matter, or its first heading; empty for neither.
        tags: In its front matter.
    """

    title: str = ""
    tags: tuple[str, ...] = ()


def front_matter(text: str) -> str:
    """Return what stands above a note, the lines of `---` included; empty for nothing."""
    if not text.startswith(("---", "\ufeff---")):
        return ""
    found = _BLOCK.match(text[: LONGEST + 1])
    if found is None or found.end() > LONGEST:
        return ""
    # Two rules with prose between them are none.
    return found[0] if not found["body"].strip() or _ANY_KEY.search(found["body"]) else ""


def below(block: str, text: str) -> str:
    """Return a note of a front matter and a text below it; the last line of the former may lack its end."""
    if not text or block.endswith("\n"):
        return block + text
    return block + ("\r\n" if "\r\n" in block else "\n") + text


def about(text: str) -> About:
    """Read what a note says of itself."""
    block = front_matter(text)
    title, tags = "", []
    listing = False
    for line in block.splitlines()[1:-1]:
        if listing and (item := _ITEM.fullmatch(line)):
            tags.append(_scalar(item[1]))
            continue
        listing = False
        found = _KEY.fullmatch(line)
        if found is None:
            continue
        value = found[2].strip()
        if found[1].lower() == "title":
            title = title or _scalar(value)
        elif value:
            tags += _tags(value)
        else:
            listing = True
    kept = dict.fromkeys(tag.removeprefix("#").strip() for tag in tags)
    return About(title or _heading(text[len(block) :]), tuple(tag for tag in kept if tag)[:MOST_TAGS])


def _tags(value: str) -> list[str]:
    if value.startswith("[") and value.endswith("]"):
        value = value[1:-1]
    return [_scalar(part) for part in value.split(",")]


def _scalar(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1][:200]
    return value.partition(" #")[0].strip()[:200]


def _heading(text: str) -> str:
    for line in text[:2_000].splitlines()[:20]:
        if found := _HEADING.fullmatch(line.strip()):
            return found[1][:200]
    return ""
