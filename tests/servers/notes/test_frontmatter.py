"""What stands above a note is found, read a little, and never changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.notes.frontmatter import About, about, front_matter


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
