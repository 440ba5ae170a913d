"""Edits name a text that stands in the file once; the diff shows what they did."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail import ToolError
from dovetail.servers.files.editing import Edit, apply, diff


def test_edits_are_made_one_after_the_other() -> None:
    assert apply("one two", [Edit("one", "1"), Edit("1 two", "3")]) == "3"
    assert apply("a a a", [Edit("a", "b", everywhere=True)]) == "b b b"


def test_line_ends_of_the_file_stay() -> None:
    assert apply("a\r\nb\r\n", [Edit("a\nb", "x\ny")]) == "x\r\ny\r\n"
    assert apply("a\r\nb\n", [Edit("b\n", "c\n")]) == "a\r\nc\n"


@pytest.mark.parametrize(
    ("text", "edit", "after"),
    [
        ("a\nb\r\n", Edit("a\nb\n", "x\ny\n"), "x\ny\r\n"),
        ("a\nb\r\nc\n", Edit("b\n", "x\ny\nz\n"), "a\nx\r\ny\r\nz\r\nc\n"),
        ("a\r\nb\nc", Edit("a\nb\nc", "d"), "d"),
        ("a\r\nb\na\r\nb\n", Edit("a\nb", "x\ny", everywhere=True), "x\r\ny\nx\r\ny\n"),
        ("a\r\nb\r\nc\n", Edit("a\r\nb\r\n", "a\nb\n"), "a\nb\nc\n"),
        ("a\r\nb\na\nb\n", Edit("a\nb\n", "x\n", everywhere=True), "x\r\nx\n"),
        ("a\r\nb\r\nc\n", Edit("b", "x\ny"), "a\r\nx\r\ny\r\nc\n"),
        ("a\nb\r\nc", Edit("c", "x\ny"), "a\nb\r\nx\r\ny"),
        ("a\r\nb\n\u2028\r\r\n", Edit("\nb\n", "\n\n"), "a\r\n\n\u2028\r\r\n"),
    ],
)
def test_where_lines_end_in_both_ways_a_text_is_found_whatever_its_line_ends(text: str, edit: Edit, after: str) -> None:
    assert apply(text, [edit]) == after


def test_where_lines_end_in_both_ways_a_text_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(ToolError, match="lines 1 and 3"):
        apply("a\r\nb\na\r\nb\r\n", [Edit("a\nb\n", "x")])


@pytest.mark.parametrize(
    ("text", "edit", "said"),
    [
        ("abc", Edit("", "x"), "write_file"),
        ("abc", Edit("x", "y"), "Read the file again"),
        ("abc", Edit("x", "y", everywhere=True), "Read the file again"),
        ("a\nb\na\n", Edit("a", "x"), "lines 1 and 3"),
        ("if x:\n\treturn  1\n", Edit("if x:\n    return 1", "y"), "from line 1 on"),
    ],
)
def test_an_edit_that_does_not_fit_says_what_to_do(text: str, edit: Edit, said: str) -> None:
    with pytest.raises(ToolError, match=said) as caught:
        apply(text, [Edit("", "", everywhere=True)] if edit is None else [edit])
    assert "edits[0].old_text" in str(caught.value)


def test_overlapping_places_count_as_several() -> None:
    with pytest.raises(ToolError, match="more than once"):
        apply("aaa", [Edit("aa", "b")])


lines = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "é\u2028x\n", "long line\n"]), max_size=30).map("".join)


@pytest.mark.timeout(60)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(lines, lines, st.booleans(), st.booleans())
def test_patch_makes_the_new_text_of_the_old_one_and_the_diff(
    tmp_path: Path, old: str, new: str, old_ends: bool, new_ends: bool
) -> None:
    old, new = old if old_ends else old.rstrip("\n"), new if new_ends else new.rstrip("\n")
    shown = diff(old, new, "f", 100_000)
    if old == new:
        assert shown == ""
        return
    (tmp_path / "f").write_bytes(old.encode())
    subprocess.run(
        ["git", "apply", "--unidiff-zero", "--whitespace=nowarn", "-"],
        input=shown.encode(), cwd=tmp_path, check=bool(old and new), capture_output=True,
    )  # fmt: skip
    if old and new:  # git makes and removes files by other headers
        assert (tmp_path / "f").read_bytes() == new.encode()


def test_a_diff_is_bounded_and_large_changes_are_shown_as_blocks() -> None:
    old, new = "a\n" * 9000, "b\n" * 9000
    shown = diff(old, new, "f", 1_000_000)
    assert shown.count("\n-a") == 9000
    assert shown.count("\n+b") == 9000
    assert "cut at 500 characters" in diff(old, new, "f", 500)
    assert len(diff(old, new, "f", 500)) < 700
