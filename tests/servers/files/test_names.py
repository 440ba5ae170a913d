"""A path that a peer names stays below its root by its text alone; what is merely odd is a name like any other."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import UnsafePath
from dovetail.servers.files.names import (
    LONGEST,
    MOST_STEPS,
    below,
    check_new,
    nearest,
    path_of,
    steps_of,
    uri_of,
    visible,
)

REFUSED = [
    # steps up
    "..", "../x", "../../etc/passwd", "a/../../x", "a/..", "a/../b", "./..", "./../x", "a/./../../x", "a//../..",
    "../", "..//x", "...", "a/...", "....//x", ".. ", ".. /x", ". .",
    # absolute
    "/", "/etc/passwd", "//etc/passwd", "/../x", "//server/share", "/data-x", "/./x",
    # what means a way out on another system
    "..\\x", "..\\..\\x", "a\\..\\..\\x", "\\x", "\\\\server\\share", "\\\\?\\C:\\x", "C:", "C:\\x", "C:/x", "x:$DATA",
    "x::$DATA",
    # what does so once it is decoded
    "%2e%2e", "%2e%2e/x", "%2E%2E%2Fx", "..%2fx", "%2fetc%2fpasswd", "..%5cx", "%252e%252e%252f", "%25252e%25252e/x",
    "a%2f..%2f..%2fb", "%00", "x%00.txt", "%0a", "a/%2e%2e/x", "%2525252525252e",
    # characters
    "\x00", "x\x00", "x\x00.txt", "a/\x00/b", "x\n", "x\r\n", "\x1b[2J", "x\x7f", "x\x85", "\ud800",
]  # fmt: skip

PLAIN = {
    "x": ("x",),
    "a/b/c.txt": ("a", "b", "c.txt"),
    "./a": ("a",),
    "a/./b": ("a", "b"),
    "a//b/": ("a", "b"),
    "": (),
    ".": (),
    ".hidden": (".hidden",),
    "..x": ("..x",),
    "x..y": ("x..y",),
    "a.": ("a.",),
    "12:30 notes.md": ("12:30 notes.md",),
    "C:x": ("C:x",),
    "a\\b": ("a\\b",),
    "aux.c": ("aux.c",),
    "100%": ("100%",),
    "100%25": ("100%25",),
    "My%20Doc.pdf": ("My%20Doc.pdf",),
    "https%3A%2F%2Fexample.com": ("https%3A%2F%2Fexample.com",),
    "%c0%ae%c0%ae": ("%c0%ae%c0%ae",),
    "\uff0e\uff0e": ("\uff0e\uff0e",),
    "é/世界": ("é", "世界"),
    "-rf": ("-rf",),
    "*": ("*",),
    "~root": ("~root",),
    "$HOME": ("$HOME",),
}


@pytest.mark.req("S-19")
@pytest.mark.parametrize("path", REFUSED)
def test_a_path_that_could_lead_out_is_refused_by_its_text(path: str) -> None:
    with pytest.raises(UnsafePath):
        steps_of(path)


@pytest.mark.req("S-19")
@pytest.mark.parametrize(("path", "expected"), PLAIN.items())
def test_a_name_that_is_merely_odd_is_a_name(path: str, expected: tuple[str, ...]) -> None:
    assert steps_of(path) == expected


@pytest.mark.req("S-19")
def test_bounds_of_a_path_are_exact() -> None:
    steps_of("x" * LONGEST)
    steps_of("/".join("x" * MOST_STEPS))
    for long in ("x" * (LONGEST + 1), "é" * (LONGEST // 2 + 1), "/".join("x" * (MOST_STEPS + 1))):
        with pytest.raises(UnsafePath):
            steps_of(long)


pieces = st.text(max_size=6) | st.sampled_from(["..", "/", "\\", "%2e", "%2f", "%25", "a", ".", "C:", "\x00"])


@pytest.mark.req("S-19")
@given(st.lists(pieces, max_size=6).map("".join))
def test_whatever_passes_stays_below_the_root(path: str) -> None:
    try:
        steps = steps_of(path)
    except UnsafePath:
        return
    assert all(step and "/" not in step and "\0" not in step and step not in (".", "..") for step in steps)
    joined = os.path.normpath(os.path.join("/data", *steps))
    assert joined == "/data" or joined.startswith("/data/")


@pytest.mark.req("S-19")
def test_a_sibling_whose_name_begins_alike_is_not_below() -> None:
    assert below("/data-x/a", "/data") is None
    assert below("/data", "/data") == ""
    assert below("/data/a/b", "/data") == "a/b"
    assert below("/etc", "/") == "etc"
    assert nearest("/data-x", [["/data"]]) is None


def test_the_closest_of_several_roots_is_found_by_any_spelling() -> None:
    roots = [["/a"], ["/a/b", "/real/b"]]
    assert nearest("/a/b/c", roots) == (1, "c")
    assert nearest("/real/b/c", roots) == (1, "c")
    assert nearest("/a/c", roots) == (0, "c")
    assert nearest("/b", roots) is None


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_a_path_and_its_uri_are_one_and_the_same(name: str) -> None:
    path = "/data/" + name
    assert path_of(uri_of(path)) == path
    if name not in (".", ".."):
        assert uri_of(path) == Path(path).as_uri()


def test_only_a_file_uri_of_this_machine_has_a_path() -> None:
    assert path_of("file://localhost/a%20b") == "/a b"
    assert path_of("FILE:///a") == "/a"
    for uri in (
        "http://x/a", "file://server/a", "file:a", "file:///a?b", "file:///a#b", "file:///a%00", "file:///%ff",
        "file://[/a",
    ):  # fmt: skip
        assert path_of(uri) is None, uri


def test_a_new_name_can_be_read_by_people() -> None:
    check_new("ä b.txt")
    for name in ("\u202etxt.exe", "a\u200bb", "\u2028"):
        with pytest.raises(UnsafePath):
            check_new(name)


def test_a_name_that_is_no_text_is_shown_as_such() -> None:
    assert visible(os.fsdecode(b"a\xff\x1b")) == "a\ufffd\ufffd"
