"""Names of files as text and back; texts that write nothing to a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.git.names import BadName, quote_name, read_name, read_path
from dovetail.servers.git.text import cut, is_binary, moment, plain, readable


@given(st.binary(min_size=1, max_size=100))
def test_every_name_is_shown_printable_and_can_be_given_back(name: bytes) -> None:
    shown = quote_name(name)
    assert not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in shown)
    assert read_name(shown) == name


@given(st.text(max_size=100))
def test_what_is_typed_is_a_path_inside_or_is_refused(text: str) -> None:
    try:
        steps = read_path(text)
    except BadName:
        return
    assert all(step not in (b"", b".", b"..") and b"/" not in step and b"\0" not in step for step in steps)
    assert not any(step.lower().startswith(b".git") and step.lower().rstrip(b". ") == b".git" for step in steps)


@pytest.mark.parametrize(
    "text",
    ["/etc/passwd", "..", "a/../b", '"a/\\056\\056/b"', "a\0b", '"\\000"', ".git", ".GIT/config", ".git /x", ".git./x",
     ".git::$INDEX_ALLOCATION", "git~1/config", '"\\056git/config"', "a/.git/x", '"\\8"', '"\\"', "a" * 16_385,
     "\ud800"],
)  # fmt: skip
@pytest.mark.req("S-19")
def test_paths_that_lead_out_or_into_git_are_refused(text: str) -> None:
    with pytest.raises(BadName):
        read_path(text)


def test_a_name_is_quoted_as_git_does() -> None:
    assert quote_name(b"plain \xc3\xbc") == "plain ü"
    assert quote_name(b"a\nb\t\x1b\xff") == '"a\\nb\\t\\033\\377"'
    assert quote_name("\u202e".encode()) == '"\\342\\200\\256"'


@pytest.mark.req("S-29")
@given(st.text(alphabet=st.characters(codec=None), max_size=100))
def test_text_never_moves_a_terminal_or_hides(text: str) -> None:
    shown = plain(text)
    hidden = {"\x1b", "\x07", "\r", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\U000e0041", "\ufeff"}
    assert not hidden & set(shown)
    shown.encode()  # and is valid


def test_bytes_become_text_in_the_encoding_that_was_named_if_it_is_one_of_text() -> None:
    assert readable(b"\xfc", "ISO-8859-1") == "ü"
    assert readable(b"\xfc", "zip") == readable(b"\xfc") == "\\xfc"
    assert readable(b"\xff\xff", "euc-jp") == "\\xff\\xff"
    assert plain("a\r\nb\x1b[1m\u202e\U000e0041") == "a\nb\\x1b[1m\\u202e\\U000e0041"


@given(st.integers(), st.integers(-1439, 1439))
def test_every_number_of_seconds_is_a_moment(seconds: int, minutes: int) -> None:
    assert moment(seconds, minutes)


def test_long_text_says_that_it_was_cut_and_binary_is_seen() -> None:
    assert cut("abcdef", 3) == "abc… (3 more characters)"
    assert is_binary(b"a\0")
    assert not is_binary(b"a" * 8_000 + b"\0")
