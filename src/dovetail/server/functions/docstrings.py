"""Docstrings: a function's or class's text, split into what it does, what each parameter means, and what it returns.

Reads Google's sections, NumPy's underlined ones, and reST's `:param x:` fields, also mixed. Linear in the length of
the text: every line is looked at once, by hand, and no pattern backtracks. Whatever is not understood stays in the
text.
"""

import inspect
import re
from typing import Final, NamedTuple

import msgspec

_PARAMETERS: Final = frozenset(
    "args arguments params parameters attributes keyword_args keyword_arguments other_parameters".split()
)
_RETURNS: Final = frozenset("return returns yield yields".split())
_DROPPED: Final = frozenset("raises raise except exceptions warns see_also".split())
_SECTIONS: Final = _PARAMETERS | _RETURNS | _DROPPED
_OTHERS: Final = frozenset("example examples note notes references todo warning warnings".split())
_NAME: Final = re.compile(r"\*{0,2}([^\W\d]\w*)")
_FIELD: Final = re.compile(r":(\w+)(?: +([^:\n]*))?:(?:\s|$)")
_PARAMETER_FIELDS: Final = frozenset("param parameter arg argument key keyword attr attribute ivar".split())
_DROPPED_FIELDS: Final = frozenset("type rtype raises raise except exception meta".split())


class Docstring(msgspec.Struct, frozen=True):
    """A docstring's parts.

    Attributes:
        text: The summary and the description; empty when there is none.
        parameters: Descriptions by name, each in one line.
        returns: What is returned, in one line; empty when not said.
    """

    text: str = ""
    parameters: dict[str, str] = {}
    returns: str = ""


class _Section(NamedTuple):
    kind: str
    numpy: bool
    body: list[str]


def parse_docstring(docstring: str | None) -> Docstring:
    """Read a docstring; None is an empty one."""
    if not docstring:
        return Docstring()
    lines = inspect.cleandoc(docstring).splitlines()
    text: list[str] = []
    parameters: dict[str, str] = {}
    returns: list[str] = []
    at = 0
    while at < len(lines):
        section = _section(lines, at)
        if section is not None:
            at += len(section.body) + (2 if section.numpy else 1)
            if section.kind in _PARAMETERS:
                parameters.update(_numpy_entries(section.body) if section.numpy else _google_entries(section.body))
            elif section.kind in _RETURNS:
                returns += section.body
            continue
        field = _FIELD.match(lines[at])
        if field is None or not _is_known(field.group(1)):
            text.append(lines[at].rstrip())
            at += 1
            continue
        value = [lines[at][field.end() :], *_indented(lines, at + 1)]
        at += len(value)
        if field.group(1) in _PARAMETER_FIELDS:
            parameters[(field.group(2) or "").split(" ")[-1].lstrip("*")] = _flat(value)
        elif field.group(1) in _RETURNS:
            returns += value
    parameters.pop("", None)
    return Docstring("\n".join(text).strip(), parameters, _flat(returns))


def _is_known(field: str) -> bool:
    return field in _PARAMETER_FIELDS or field in _RETURNS or field in _DROPPED_FIELDS


def _section(lines: list[str], at: int) -> _Section | None:
    """Return the section that starts at a line, or None."""
    line = lines[at]
    if not line or line[0].isspace():
        return None
    if line.rstrip().endswith(":"):
        kind = _kind(line.rstrip()[:-1])
        if kind in _SECTIONS:
            return _Section(kind, False, _indented(lines, at + 1))
    kind = _kind(line)
    if kind in _SECTIONS and at + 1 < len(lines) and _is_rule(lines[at + 1]):
        return _Section(kind, True, _until_heading(lines, at + 2))
    return None


def _kind(heading: str) -> str:
    return heading.strip().lower().replace(" ", "_")


def _is_rule(line: str) -> bool:
    rule = line.rstrip()
    return len(rule) >= 3 and not rule.strip("-")


def _indented(lines: list[str], start: int) -> list[str]:
    """Return the lines from a place on that are indented; blank ones belong to them only between two such."""
    end = start
    for at in range(start, len(lines)):
        if lines[at].strip():
            if not lines[at][0].isspace():
                break
            end = at + 1
    return lines[start:end]


def _until_heading(lines: list[str], start: int) -> list[str]:
    """Return the lines from a place up to the next underlined or Google heading."""
    for at in range(start, len(lines)):
        line = lines[at]
        heading = line and not line[0].isspace()
        if heading and at + 1 < len(lines) and _is_rule(lines[at + 1]):
            return lines[start:at]
        if heading and line.endswith(":") and _kind(line[:-1]) in _SECTIONS | _OTHERS:
            return lines[start:at]
    return lines[start:]


def _google_entries(body: list[str]) -> dict[str, str]:
    """Read `name (type): description` entries; deeper lines go on with the entry above."""
    filled = [line for line in body if line.strip()]
    margin = min((_indent(line) for line in filled), default=0)
    entries: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in filled:
        entry = _entry(line.strip()) if _indent(line) == margin else None
        if entry is not None:
            name, description = entry
            current = entries[name] = [description]
        elif current is not None:
            current.append(line)
    return {name: _flat(description) for name, description in entries.items()}


def _entry(line: str) -> tuple[str, str] | None:
    """Split `name (type): description`; None when the line is something else."""
    name = _NAME.match(line)
    if name is None:
        return None
    rest = line[name.end() :].lstrip()
    if rest.startswith("("):
        rest = rest[_closing(rest) + 1 :].lstrip()
    return (name.group(1), rest[1:]) if rest.startswith(":") else None


def _closing(text: str) -> int:
    """Return where the first parenthesis of a text closes; its end when it does not."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return at
    return len(text)


def _numpy_entries(body: list[str]) -> dict[str, str]:
    """Read `name : type` entries, their descriptions indented below; `a, b : int` describes both."""
    entries: dict[str, str] = {}
    at = 0
    while at < len(body):
        line = body[at]
        description = _indented(body, at + 1)
        at += 1 + len(description)
        for name in line.partition(":")[0].split(","):
            match = _NAME.fullmatch(name.strip())
            if match is not None:
                entries[match.group(1)] = _flat(description)
    return entries


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _flat(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
