"""Names that a server gives to what it offers, checked when it registers them."""

import re
from typing import Final

from dovetail.errors import InvalidName, quote

MAX_TOOL_NAME: Final = 128

_tool_name = re.compile(r"[A-Za-z0-9_.-]{1,128}").fullmatch


def check_tool_name(name: str) -> str:
    """Return a tool's name if it is legal.

    "Tool names SHOULD be between 1 and 128 characters in length. [...] The following SHOULD be the only allowed
    characters: uppercase and lowercase ASCII letters, digits, underscore, hyphen, and dot." (Tools, Tool Names)

    Raises:
        InvalidName: It is not.
    """
    if not _tool_name(name):
        raise InvalidName(f"{quote(name)} is not a tool name: expected 1 to {MAX_TOOL_NAME} of A-Z a-z 0-9 _ . -")
    return name


def check_name(name: str, what: str = "name") -> str:
    """Return a prompt's, resource's or argument's name if it is not empty.

    Raises:
        InvalidName: It is empty or blank.
    """
    if not name.strip():
        raise InvalidName(f"A {what} must not be empty")
    return name
