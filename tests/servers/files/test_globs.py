"""Patterns for names: one meaning, whether they are matched here or handed to a program."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail import ToolError
from dovetail.servers.files.globs import Glob, as_regex

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
def test_a_pattern_means_the_same_here_and_in_a_program(pattern: str, path: str, fits: bool) -> None:
    assert Glob(pattern).matches(tuple(path.split("/"))) is fits
    assert bool(re.match(as_regex(pattern), path)) is fits


pieces = st.sampled_from(["*", "**", "?", "a", "b", "/", ".", "[ab]", "[!a]", "[", "]", "\\", "^", "(", "|", "-", "&&"])


@given(st.lists(pieces, max_size=8).map("".join), st.text("ab./[]\\^(|-&", min_size=1, max_size=8))
def test_any_pattern_is_refused_or_matched_alike(pattern: str, path: str) -> None:
    names = tuple(name for name in path.split("/") if name)
    try:
        glob = Glob(pattern)
    except ToolError:
        with pytest.raises(ToolError):
            as_regex(pattern)
        return
    found = re.compile(as_regex(pattern)).match("/".join(names))
    if names and not re.search(r"\[[^\]]*[\]\\^&-]|\[!?\]", pattern):  # sets with odd members may differ
        assert bool(found) is glob.matches(names)


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
