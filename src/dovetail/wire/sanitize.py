"""Text that came from elsewhere, made fit to be shown: to a terminal, to a person, to a model (S-29).

Removed is what is read but not seen, or moves what is seen: terminal escapes (ANSI, OSC and their kin), control
characters, characters that reorder text, that have no width, Unicode tags and other invisible code points, and
variation selectors that carry data. What people write stays: every script, tabs and line breaks, emoji with their
joiners and flags.

One pass, in time linear in the text. What is sanitised once is not changed by a second time.
"""

import re
from typing import Final

# ECMA-48: ESC or its C1 form, then a string up to its terminator (OSC, DCS, SOS, PM, APC), a control sequence, or a
# short escape. A string that never ends loses its opening only, so that one stray byte cannot hide the rest of a text.
_STRING: Final = (
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\x18\x1a\r\n]{0,4096}+(?:\x07|\x1b\\|\x9c)"
)
_CONTROL: Final = r"(?:\x1b\[|\x9b)[0-?]{0,256}+[ -/]{0,256}+[@-~]"
_SHORT: Final = r"\x1b[ -/]{0,256}+[0-~]"
_ESCAPES: Final = re.compile(f"{_STRING}|{_CONTROL}|{_SHORT}")
_MAY_ESCAPE: Final = re.compile(r"[\x1b\x90\x98\x9b\x9d-\x9f]")

# A joiner or a variation selector is part of what is seen where it stands behind a character that takes one.
_PICTURE: Final = (
    r"\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934-\u2935"
    r"\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_JOINING: Final = r"\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc"
_IDEOGRAPH: Final = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"

_INVISIBLE: Final = re.compile(
    "["
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 but tab and line breaks; DEL; C1
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, fillers, Mongolian selectors
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"  # zero width, marks and overrides of direction, line separators
    r"\u3164\ufeff\uffa0\ufff0-\ufffb\u2800"  # fillers, byte order mark, annotations, blank Braille
    r"\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # surrogates, noncharacters
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # shorthand and musical format controls
    r"\U000e0000-\U000e0fff"  # tags, and more variation selectors
    "]"
    r"|\r(?!\n)"  # goes back to overwrite the line
    rf"|(?<![{_PICTURE}{_JOINING}\ufe0f])[\u200c\u200d]"  # joiners that join nothing
    r"|[\u200c\u200d](?![^\x00-\x7f])"
    rf"|(?<![{_PICTURE}#*0-9])[\ufe0e\ufe0f]"  # selectors of emoji or text style that select nothing
    rf"|(?<![{_IDEOGRAPH}\u2200-\u22ff\u1000-\u109f])[\ufe00-\ufe0d]"
)


def sanitize_text(text: str) -> str:
    """Return a text without anything that is read and not seen.

    Args:
        text: Any text; lone surrogates are removed as well.

    Returns:
        The same text when there was nothing to remove.
    """
    if text.isascii() and text.isprintable():
        return text
    if _MAY_ESCAPE.search(text):
        text = _ESCAPES.sub("", text)
    while True:
        shown = _INVISIBLE.sub("", text)
        if shown == text:
            return shown
        text = shown
