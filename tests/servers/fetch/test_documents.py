"""What a body is, and its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.fetch.documents import cleaned, media_of, text_of


@pytest.mark.parametrize(
    ("said", "body", "kind"),
    [
        ("text/html; charset=utf-8", b"", "html"),
        ("application/xhtml+xml", b"", "html"),
        ("", b"<!doctype HTML><p>", "html"),
        ("", b"just words", "text"),
        ("application/octet-stream", b"words", "text"),
        ("application/octet-stream", b"\x00\x01", "blob"),
        ("", "\ufeffw".encode("utf-16-le"), "text"),
        ("TEXT/Plain", b"<html>", "text"),
        ("application/json", b"{}", "text"),
        ("application/ld+json", b"{}", "text"),
        ("application/atom+xml;x=y", b"<feed/>", "text"),
        ("image/svg+xml", b"<svg/>", "text"),
        ("text/markdown", b"# x", "text"),
        ("image/png", b"\x89PNG", "blob"),
        ("application/pdf", b"%PDF-", "blob"),
        ("application/zip", b"PK", "blob"),
        ("nonsense", b"words", "text"),
    ],
)
def test_what_a_body_is(said: str, body: bytes, kind: str) -> None:
    assert media_of(said if "/" in said or not said else "", body).kind == kind


@pytest.mark.parametrize(
    ("said", "body", "text"),
    [
        ("text/html; charset=iso-8859-1", "\u201cä\u201d".encode("cp1252"), "\u201cä\u201d"),
        ('text/html; charset="utf-8"', "ä".encode(), "ä"),
        ("text/html", b"<meta charset=windows-1251>" + "да".encode("cp1251"), "<meta charset=windows-1251>да"),
        ("text/html", b"<meta http-equiv=x content='text/html; charset=gbk'>\xc4\xe3",
         "<meta http-equiv=x content='text/html; charset=gbk'>你"),
        ("text/xml", b"<?xml version='1' encoding='shift_jis'?>\x82\xa0", "<?xml version='1' encoding='shift_jis'?>あ"),
        ("text/plain", "\ufeffä".encode(), "ä"),
        ("text/plain; charset=utf-8", "\ufeffä".encode("utf-16-le"), "ä"),
        ("text/plain", "ä".encode(), "ä"),
        ("text/plain; charset=utf-8", b"\xff", "\ufffd"),
        ("text/html", b"<meta charset=utf-16>\xc3\xa4", "<meta charset=utf-16>ä"),
    ],
)  # fmt: skip
def test_the_text_of_a_body(said: str, body: bytes, text: str) -> None:
    assert text_of(said, body) == text


@pytest.mark.parametrize(
    "label", ["utf-7", "punycode", "idna", "unicode_escape", "rot13", "zlib", "base64", "hex", "no-such", "x" * 40]
)
def test_encodings_that_no_page_has_are_not_used(label: str) -> None:
    assert text_of(f"text/plain; charset={label}", b"a+ADw- \\x41") == "a+ADw- \\x41"


def test_text_without_a_label_is_guessed_from_its_beginning() -> None:
    words = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 20
    assert text_of("text/plain", words.encode("cp1251"))[:100] == words[:100]


def test_what_nobody_sees_is_left_out() -> None:
    hidden = "\u2066\u2069\u200b\u200c\u200d\u2060\ufe00\ufe0f\ufeff\u00ad\U000e0100\U000e01ef"
    assert cleaned(f"a{hidden}b\u00e9 \u05d0 \U0001f600") == "ab\u00e9 \u05d0 \U0001f600"
    assert cleaned("a\r\nb\x00\x1b[31m\u202ec\U000e0041\U000e007f\td") == "a\nb[31mc\td"


@given(st.text(max_size=60), st.binary(max_size=200))
def test_any_body_is_decided_on_and_read(said: str, body: bytes) -> None:
    assert media_of(said, body).kind in ("html", "text", "blob")
    assert isinstance(cleaned(text_of(said, body)), str)
