"""What a body is, from its media type and its first bytes, and its text. No I/O; everything is bounded by the body.

Encodings come from labels that strangers wrote, so that only those which the Encoding Standard knows are used: Python's
own (`punycode`, `utf-7`, `unicode_escape`, ...) are not for them. What has no usable label is UTF-8 if it can be, else
guessed from its first 16 KiB.
"""

import codecs
import re
from typing import Final, Literal

import msgspec

Kind = Literal["html", "text", "blob"]

_TEXTUAL: Final = re.compile(
    r"text/[\w.+-]+|application/(?:json|ld\+json|xml|yaml|x-yaml|toml|javascript|ecmascript|x-javascript|graphql|sql|"
    r"x-sh|rtf|x-ndjson|jsonl|jsonlines|csv|[\w.-]+\+(?:json|xml|yaml))|image/svg\+xml|message/[\w.+-]+"
)
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_LOOKS_HTML: Final = re.compile(rb"<(?:!doctype html|html|head|body|title|meta|script|div|h1|p|a|table)[\s>]", re.I)
_BINARY: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_META: Final = re.compile(rb"<meta[^>]{0,512}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_XML: Final = re.compile(rb"<\?xml[^>]{0,256}?encoding\s*=\s*[\"']([A-Za-z0-9_:.-]{1,40})[\"']")
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_KNOWN: Final = re.compile(
    r"utf-8|utf-16(-le|-be)?|iso8859-\d+|cp125\d|cp866|cp874|cp932|cp949|koi8-[ru]|mac-(roman|cyrillic)|gbk|gb18030|"
    r"gb2312|big5|big5hkscs|euc_(jp|kr)|shift_jis|iso2022_jp|tis-620"
)
# The Encoding Standard reads these labels so, whatever they are called.
_MEANT: Final = {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gbk", "tis-620": "cp874"}
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PRESCAN: Final = 1024
_SAMPLE: Final = 16 * 1024
# Controls, what changes the direction of text, and what has no width: with them text says to a model what no person
# sees. Joiners (U+200C, U+200D) and emoji variation (U+FE0F) are left out, too: nothing is lost but a ligature.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class Media(msgspec.Struct, frozen=True):
    """What a body is: its media type in lower case, without parameters, and what is done with it."""

    type: str
    kind: Kind


def media_of(content_type: str, body: bytes) -> Media:
    """Tell what a body is.

    Args:
        content_type: As the server said; may be empty.
        body: The body; its beginning tells, where the server says nothing, or only that it is bytes.
    """
    said = content_type.partition(";")[0].strip().lower()
    if said in _HTML:
        return Media(said, "html")
    if said and said != "application/octet-stream" and "/" in said and len(said) <= 100 and said.isprintable():
        return Media(said, "text" if _TEXTUAL.fullmatch(said) else "blob")
    start = body[:_PRESCAN]
    if not start.startswith(_MARKS[1][0]) and not start.startswith(_MARKS[2][0]) and _BINARY.search(start):
        return Media("application/octet-stream", "blob")
    if not said and _LOOKS_HTML.search(start):
        return Media("text/html", "html")
    return Media("text/plain", "text")


def text_of(content_type: str, body: bytes) -> str:
    """Return a body's text; what cannot be read in it is replaced."""
    for mark, marked in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(marked, "replace")
    name = _label(content_type, body)
    if name is not None:
        return body.decode(name, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode(_guessed(body), "replace")


def cleaned(text: str) -> str:
    """Return text without what nobody sees: controls, and characters that only models read."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n"))


def _label(content_type: str, body: bytes) -> str | None:
    said = _CHARSET.search(content_type)
    if said is not None and (name := _encoding(said[1])):
        return name
    start = body[:_PRESCAN]
    inside = _META.search(start) or _XML.search(start)
    name = None if inside is None else _encoding(inside[1].decode("ascii"))
    return "utf-8" if name is not None and name.startswith("utf-16") else name


def _encoding(label: str) -> str | None:
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    name = _MEANT.get(name, name)
    return name if _KNOWN.fullmatch(name) else None


def _guessed(body: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(body[:_SAMPLE]).best()
    return (None if best is None else _encoding(best.encoding)) or "cp1252"
