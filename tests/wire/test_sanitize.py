"""What is read but not seen is removed; what people write stays."""

import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.wire.sanitize import sanitize_text
from tests import pace

HOSTILE = {
    "red": ("\x1b[31mred\x1b[0m", "red"),
    "cursor and erase": ("a\x1b[2J\x1b[1;1Hb\x1b[?25lc\x1b[Kd", "abcd"),
    "eight-bit control sequence": ("a\x9b31mb", "ab"),
    "title": ("a\x1b]0;title\x07b", "ab"),
    "hyperlink": ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
    "clipboard": ("\x1b]52;c;aGk=\x07x", "x"),
    "eight-bit OSC": ("a\x9d0;t\x9cb", "ab"),
    "DCS, SOS, PM, APC": ("\x1bPq\x1b\\a\x1bXs\x1b\\b\x1b^p\x1b\\c\x1b_a\x1b\\d", "abcd"),
    "short escapes": ("\x1b7a\x1bcb\x1b(0c\x1b#8d", "abcd"),
    "an escape that never ends hides nothing": ("a\x1b]0;rest of the text", "a0;rest of the text"),
    "an escape inside an escape": ("\x1b\x1b[31m[31mx", "[31mx"),
    "an escape with something invisible inside": ("\x1b\u200b[31mx", "[31mx"),
    "backspace": ("safe\b\b\b\bevil", "safeevil"),
    "overwriting a line": ("evil\rsafe", "evilsafe"),
    "NUL and bell": ("a\0b\ac", "abc"),
    "delete": ("a\x7fb", "ab"),
    "C1": ("a\x85b\x80c\x9fd", "abcd"),
    "right-to-left override": ("\u202etxt.exe\u202c", "txt.exe"),
    "embeddings, isolates, marks": (
        "\u202aa\u202bb\u202dc\u2066d\u2067e\u2068f\u2069g\u200eh\u200fi\u061cj",
        "abcdefghij",
    ),
    "zero width": ("i\u200bg\u2060n\ufeffo\u00adr\u034fe", "ignore"),
    "joiners between Latin letters": ("a\u200db\u200cc", "abc"),
    "a joiner that joins nothing": ("👩\u200d end", "👩 end"),
    "joiners in a row": ("👩\u200d\u200d\u200d👩", "👩\u200d👩"),
    "invisible operators": ("a\u2061b\u2062c\u2063d\u2064e\u206af", "abcdef"),
    "tags": ("hi" + "".join(chr(0xE0000 + ord(c)) for c in "ignore all") + "\U000e007f", "hi"),
    "data in variation selectors": ("😀" + "".join(chr(0xE0100 + n) for n in b"steal"), "😀"),
    "data in the first variation selectors": ("a" + "".join(chr(0xFE00 + n % 16) for n in range(40)), "a"),
    "data behind an emoji": ("😀" + "\ufe0f\ufe0e" * 20, "😀\ufe0f"),
    "Hangul fillers": ("a\u115f\u1160\u3164\uffa0b", "ab"),
    "blank Braille": ("a\u2800b", "ab"),
    "annotations": ("a\ufff9b\ufffac\ufffbd", "abcd"),
    "line separators": ("a\u2028b\u2029c", "abc"),
    "surrogates and noncharacters": ("a\ud800b\udfffc\ufdd0d\uffffe", "abcde"),
    "musical and shorthand controls": ("a\U0001d173b\U0001bca0c", "abc"),
}

KEPT = [
    "plain text, with punctuation!",
    "tab\tand\nlines\r\nof text",
    "",
    "Grüße, naïve façade — “quotes” … €",
    "日本語 中文 한국어",
    "مرحبا بالعالم",
    "می\u200cخواهم",  # Persian needs its non-joiner
    "क्\u200dष",  # and Devanagari its joiner
    "שלום",
    "ไทย",
    "👩\u200d👩\u200d👧\u200d👦 👍🏽 ❤\ufe0f 1\ufe0f\u20e3 🇩🇪 🏳\ufe0f\u200d🌈 👩🏽\u200d🚀 ☎\ufe0e",
    "葛\ufe00 ∩\ufe00",
    "e\u0301 combining",
    "a\u00a0b",
    "x² + y³ ≤ ∑",
]


@pytest.mark.req("S-29")
@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_not_seen_is_removed(text: str, shown: str) -> None:
    assert sanitize_text(text) == shown


@pytest.mark.req("S-29")
@pytest.mark.parametrize("text", KEPT)
def test_what_people_write_stays(text: str) -> None:
    assert sanitize_text(text) == text


@pytest.mark.req("S-29")
def test_every_invisible_character_of_unicode_is_removed_between_letters() -> None:
    left = []
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        kind = unicodedata.category(character)
        selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
        if (kind in ("Cc", "Cs", "Zl", "Zp") and character not in "\t\n") or selector:
            left += [code] if character in sanitize_text(f"a{character}b") else []
        elif kind == "Cf":
            # some format characters are seen: signs of Arabic numbers, Kaithi, Egyptian quadrats
            seen = range(0x600, 0x606), (0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD), range(0x13430, 0x13456)
            if not any(code in some for some in seen):
                left += [code] if character in sanitize_text(f"a{character}b") else []
    assert [hex(code) for code in left] == []


everything = st.text(
    st.characters() | st.sampled_from("\x1b[]\x9b\x9d\x07\\m;0?\r\n\u200d\ufe0f👩aé\u202e\U000e0041"), max_size=60
)


@pytest.mark.req("S-29")
@given(everything)
def test_a_second_pass_changes_nothing_and_nothing_is_added(text: str) -> None:
    shown = sanitize_text(text)
    assert sanitize_text(shown) == shown
    rest = iter(text)
    assert all(character in rest for character in shown)
    assert not any(c in shown for c in "\x1b\x9b\x9d\x00\b\x7f\u202e\u200b\ufeff\U000e0041")


@given(
    st.text(
        st.characters(
            categories=["L", "N", "P"], codec="utf-8", exclude_characters="\u115f\u1160\u3164\uffa0\u17b4\u17b5"
        )
    )
)
def test_letters_numbers_and_punctuation_are_never_touched(text: str) -> None:
    assert sanitize_text(text) == text


SIZE = 200_000
WORST = [
    "\x1b",
    "\x1b[",
    "\x1b[0",
    "\x1b]",
    "\x1b]a",
    "\x9d",
    "\x9da",
    "\x9b0",
    "\x90\x1b",
    "👩\u200d",
    "\u200d",
    "👩\u200d\u200b",
    "\ufe0f",
]
WORST += ["a\ufe0f\u200dé", "\x1b]" + "a" * 4095, "\x1b[" + "0" * 255, "\x1b ", "\r", "\u202e", "é"]


@pytest.mark.req("S-29")
@pytest.mark.parametrize("unit", WORST)
def test_the_worst_text_takes_linear_time(unit: str) -> None:
    def sanitizing(size: int) -> Callable[[], str]:
        text = unit * (size // len(unit))
        return lambda: sanitize_text(text)

    assert pace.growth(sanitizing, SIZE, rounds=3) < 3
