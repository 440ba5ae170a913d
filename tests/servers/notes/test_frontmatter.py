"""What stands above a note is found, read a little, and never changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.notes.frontmatter import LONGEST, About, about, below, front_matter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\ntitle: A: b\ntags: [x, 'y z', \"#q\"]\n---\nbody", About("A: b", ("x", "y z", "q"))),
        ("---\ntags: x, y # why\n---\n", About("", ("x", "y"))),
        ("---\r\ntags:\r\n- a\r\n  - b\r\ntitle: 'It''s'\r\n---\r\n", About("It''s", ("a", "b"))),
        ("\ufeff---\nTitle: T\n...\n# H", About("T", ())),
        ("---\nother: [1]\n---\n\n## Heading ##\n", About("Heading", ())),
        ("# Only a heading", About("Only a heading", ())),
        ("---\nnever closed\ntags: [a]", About("", ())),
        ("--- not at all\n---\n", About("", ())),
        ("---\n\nIntro, at 12:30, see\nhttps://a.b\n# Why: not\n\n---\n\n# H\n", About("Why: not", ())),
        ("---\n\n---\n# H", About("H", ())),
        ("---\ntitle:T\n---\n", About("T", ())),
        ("", About("", ())),
    ],
)
def test_a_title_and_tags_are_read(text: str, expected: About) -> None:
    assert about(text) == expected


@given(st.text(st.sampled_from("-\n\r.:[]'\"#, tagsile\ufeff") | st.characters()))
def test_any_text_begins_with_its_front_matter_and_says_something_of_itself(text: str) -> None:
    block = front_matter(text)
    assert text.startswith(block)
    found = about(text)
    assert all(found.tags) and "\n" not in found.title


@given(st.text(max_size=100))
def test_a_front_matter_is_found_as_it_was_written(body: str) -> None:
    block = "---\ntags: [a]\n---\n"
    assert front_matter(block + body) == block
    assert about(block + body).tags == ("a",)


@pytest.mark.parametrize(
    ("block", "text", "expected"),
    [
        ("---\na: b\n---", "body", "---\na: b\n---\nbody"),
        ("---\r\na: b\r\n---", "body", "---\r\na: b\r\n---\r\nbody"),
        ("---\na: b\n---\n", "body", "---\na: b\n---\nbody"),
        ("---\na: b\n---", "", "---\na: b\n---"),
    ],
)
def test_a_text_begins_on_a_line_of_its_own_below_a_front_matter(block: str, text: str, expected: str) -> None:
    assert front_matter(block) == block
    assert below(block, text) == expected
    assert about(expected) == about(block)


def test_the_end_of_what_is_looked_at_ends_no_front_matter() -> None:
    start = "---\na: " + "x" * (LONGEST - 11) + "\n---"
    assert len(start) == LONGEST
    assert front_matter(start) == start
    assert front_matter(start + "- a: b") == ""


@pytest.mark.parametrize("text", ["---\n\nIntro\n\n---\n\nRest", "---\n- one\n- two\n---\n", "---\n# Why: not\n---\n"])
def test_what_stands_between_two_rules_is_no_front_matter(text: str) -> None:
    assert front_matter(text) == ""
