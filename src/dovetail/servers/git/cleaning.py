"""What contents become on their way from the working tree into Git: line ends and `$Id$`, by Git's own rules. Sans-I/O.

The names of line ends are those of gitattributes(5); what of a text is converted, and when a file counts as binary,
is as in Git's `convert.c`. libgit2's rules differ from them where a link or a lone carriage return was stored before.
"""

import re
from typing import Final, Literal

import msgspec

_IDENT: Final = re.compile(rb"\$Id:[^$\n]*\$")
_ODD: Final = bytes(sorted({*range(32), 127} - set(b"\b\t\x1b\f\r\n")))
_BREAKS: Final = b"\r\n"
_END_OF_FILE: Final = b"\x1a"

Attribute = bool | str | None
"""An attribute of a file: set, unset, a value, or nothing said."""


class Unsafe(ValueError):
    """Line ends would not come back as they were (`core.safecrlf`)."""


class Ends(msgspec.Struct, frozen=True):
    """What is done with the line ends of one file.

    Attributes:
        text: Whether it is text: as its contents say, when "auto".
        out: What a checkout writes for a line feed.
    """

    text: bool | Literal["auto"]
    out: Literal["lf", "crlf"]


def line_ends(text: Attribute, crlf: Attribute, eol: Attribute, autocrlf: str, native: str) -> Ends:
    """Say what is done with a file's line ends.

    Args:
        text: Its attribute of that name.
        crlf: Its attribute of that name, an older word for `text`.
        eol: Its attribute of that name.
        autocrlf: What `core.autocrlf` says: "true", "false" or "input".
        native: What `core.eol` says: "lf", "crlf", or anything else for that of the machine, "lf".
    """
    said = _kind(text)
    said = _kind(crlf) if said is None else said
    if said is False:
        return Ends(False, "lf")
    if eol in ("lf", "crlf"):  # it makes text of what nothing is said of
        return Ends("auto" if said == "auto" else True, "crlf" if eol == "crlf" else "lf")
    if said == "input":
        return Ends(True, "lf")
    if said is None:
        return Ends("auto" if autocrlf != "false" else False, "crlf" if autocrlf == "true" else "lf")
    crlf_out = autocrlf == "true" or (autocrlf == "false" and native == "crlf")
    return Ends(said, "crlf" if crlf_out else "lf")


def _kind(value: Attribute) -> bool | Literal["auto", "input"] | None:
    if isinstance(value, bool):
        return value
    return "auto" if value == "auto" else "input" if value == "input" else None


class _Counts:
    """What decides whether a file is text, counted."""

    def __init__(self, data: bytes) -> None:
        self.crlf = data.count(b"\r\n")
        self.lone_cr = data.count(b"\r") - self.crlf
        self.lone_lf = data.count(b"\n") - self.crlf
        odd = len(data) - len(data.translate(None, _ODD))
        even = len(data.translate(None, _ODD + _BREAKS))
        odd -= data.endswith(_END_OF_FILE)
        self.binary = self.lone_cr > 0 or b"\0" in data or (even >> 7) < odd


def has_crlf(data: bytes) -> bool:
    """Tell whether contents that are stored have `\\r\\n` as text has it: then nothing is converted unasked."""
    if b"\r\n" not in data:
        return False
    return not _Counts(data).binary


def converts(ends: Ends, data: bytes) -> bool:
    """Tell whether line ends would be converted, unless what is stored has them as they are."""
    if ends.text is False or b"\r\n" not in data:
        return False
    return ends.text is True or not _Counts(data).binary


def to_lf(data: bytes) -> bytes:
    """Convert line ends."""
    return data.replace(b"\r\n", b"\n")


def check_safe(ends: Ends, data: bytes, *, converted: bool) -> None:
    """Refuse, as `core.safecrlf=true` asks for, what a checkout would not give back as it is.

    Raises:
        Unsafe: It would not.
    """
    if ends.text is False or not data:
        return
    counts = _Counts(data)
    if ends.text == "auto" and counts.binary:
        return
    lf, crlf = (counts.lone_lf + counts.crlf, 0) if converted else (counts.lone_lf, counts.crlf)
    if ends.out == "crlf" and lf and not (ends.text == "auto" and (crlf or counts.lone_cr)):
        lf, crlf = 0, crlf + lf
    if (counts.crlf and not crlf) or (counts.lone_lf and not lf):
        raise Unsafe


def without_ident(data: bytes) -> bytes:
    """Take out what a checkout put into `$Id$`."""
    return _IDENT.sub(b"$Id$", data) if b"$Id:" in data else data
