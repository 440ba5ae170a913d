"""Patterns for names: one meaning, whether they are matched here or handed to a program."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail import ToolError
from dovetail.servers.files.globs import Glob

CASES = [
    ("*.py", "a.py", True),
    ("*.py", "x/y/a.py", True),
    ("*.py", "a.pyc", False),
    ("src/*.py", "src/a.py", True),
    ("src/*.py", "src/x/a.py", False),
    ("src/*.py", "y/src/a.py", False),
    ("src/**/*.py", "src/a.py", True),
    ("src/**/*.py", "src/x/y/a.py", True),
    ("**/test_*", "a/b/test_x", True),
    ("src/**", "src/a/b", True),
    ("/a", "a", True),
    ("/a", "b/a", False),
    ("a?c", "abc", True),
    ("a?c", "a/c", False),
    ("[ab].txt", "b.txt", True),
    ("[!ab].txt", "b.txt", False),
    ("[!ab].txt", "c.txt", True),
    ("[", "[", True),
    ("a.b", "axb", False),
    ("node_modules", "x/node_modules", True),
]


@pytest.mark.parametrize(("pattern", "path", "fits"), CASES)
def test_a_pattern_fits_what_it_says(pattern: str, path: str, fits: bool) -> None:
    assert Glob(pattern).matches(tuple(path.split("/"))) is fits


pieces = st.sampled_from(["*", "**", "?", "a", "b", "/", ".", "[ab]", "[!a]", "[", "]", "\\", "^", "(", "|", "-", "&&"])


@given(st.lists(pieces, max_size=8).map("".join), st.lists(st.text("ab.[]\\^(|-&", min_size=1, max_size=4), max_size=4))
def test_any_pattern_is_refused_or_matched(pattern: str, names: list[str]) -> None:
    try:
        glob = Glob(pattern)
    except ToolError:
        assert not pattern.strip("./")
        return
    fits = glob.matches(tuple(names))
    if not set(pattern) & set("*?["):
        steps = [step for step in pattern.split("/") if step not in ("", ".")]
        begin = -len(steps) if len(steps) == 1 and not pattern.startswith("/") else 0
        assert fits is (names[begin:] == steps)


def test_letters_of_either_size_fit_where_it_is_asked_for() -> None:
    assert Glob("readme*", ignore_case=True).matches(("README.md",))
    assert not Glob("readme*").matches(("README.md",))


def test_no_pattern_takes_long() -> None:
    started = time.process_time()
    assert not Glob("**/" * 30 + "x").matches(("a",) * 120)
    assert not Glob("*a" * 200).matches(("a" * 250 + "b",))
    assert time.process_time() - started < 2


@pytest.mark.parametrize("pattern", ["", "/", "./", "x" * 513, "a/" * 33 + "b"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(ToolError, match="pattern"):
        Glob(pattern)
