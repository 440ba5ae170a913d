"""JSON as editors keep it: VS Code and Zed allow comments, and a comma after the last of a list, in their files.

What JSON has not is blanked out, and nothing is moved: what is JSON already stays as it is, byte for byte, and a fault
in the rest is told with its own line. Each pass is one walk over the text.
"""

import re
from typing import Final

_STRING: Final = rb'"(?:[^"\\]|\\.)*+"?'
_COMMENT: Final = re.compile(rb"%b|//[^\r\n]*|/\*(?:.*?\*/|.*)" % _STRING, re.DOTALL)
_COMMA: Final = re.compile(rb"%b|(?<=[^\s\[{,:])[ \t\r\n]*,(?=[ \t\r\n]*[\]}])" % _STRING, re.DOTALL)
_TEXT: Final = re.compile(rb"[^\r\n]")
_MARK: Final = b"\xef\xbb\xbf"


def plain_json(data: bytes) -> bytes:
    """Return JSON without comments, without commas before a closing bracket, and without a byte order mark."""
    return _COMMA.sub(_blanked, _COMMENT.sub(_blanked, data.removeprefix(_MARK)))


def _blanked(found: re.Match[bytes]) -> bytes:
    text = found[0]
    unended = text.startswith(b"/*") and (len(text) < 4 or not text.endswith(b"*/"))
    return text if unended or text.startswith(b'"') else _TEXT.sub(b" ", text)
