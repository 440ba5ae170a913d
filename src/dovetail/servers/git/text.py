"""Text of a repository for readers: what a terminal would obey is made visible, and nothing is endless. Sans-I/O."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from dovetail.servers.git.names import HIDDEN

_HIDDEN = re.compile(f"[{HIDDEN}]")
_LINE_END = re.compile(r"\r\n")
CODECS: Final = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "latin-1", "latin1", "iso-8859-1", "iso-8859-2", "iso-8859-5"}
    | {"iso-8859-15", "cp1250", "cp1251", "cp1252", "windows-1251", "windows-1252", "koi8-r", "koi8-u"}
    | {"euc-jp", "shift_jis", "gb2312", "gbk", "gb18030", "big5", "euc-kr"}
)
"""Encodings that a commit may name. Others are read as UTF-8; Python's list has more than encodings of text."""


def plain(text: str) -> str:
    """Make visible what a terminal would obey or an eye would miss: `\\x1b` for an escape, `\\u202e` for a turn."""
    return text if _HIDDEN.search(text) is None else _HIDDEN.sub(_shown, _LINE_END.sub("\n", text))


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def readable(data: bytes, encoding: str = "utf-8") -> str:
    """Return bytes as plain text; bytes that are none stay visible as `\\xff`."""
    codec = "utf-8" if encoding == "utf-8" else encoding.strip().lower()
    try:
        return plain(data.decode(codec if codec in CODECS else "utf-8", "surrogateescape"))
    except UnicodeDecodeError:  # of codecs that know no escape for some bytes
        return plain(data.decode("utf-8", "surrogateescape"))


def cut(text: str, most: int) -> str:
    """Return at most so many characters, and say what was left out."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def is_binary(data: bytes) -> bool:
    """Tell whether data is no text, by Git's own rule: a NUL among the first 8,000 bytes."""
    return b"\0" in data[:8000]


def moment(seconds: int, minutes: int) -> str:
    """Return a point in time as ISO 8601 with its offset; what no calendar has stands as seconds, `@123`."""
    try:
        return datetime.fromtimestamp(seconds, _zone(minutes)).isoformat(sep=" ")
    except (OverflowError, ValueError, OSError):
        return f"@{seconds}"


@lru_cache(4_096)
def _zone(minutes: int) -> timezone:
    return UTC if minutes == 0 else timezone(timedelta(minutes=minutes))
