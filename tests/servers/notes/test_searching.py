"""Searching in texts: what fits, how well, and where."""

from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.notes.searching import MOST_TERMS, folded, score, snippets, terms


def test_case_and_accents_do_not_matter_and_quotes_hold_words_together() -> None:
    assert terms('Café "Big  Town" café x') == ["cafe", "big town", "x"]
    assert terms(' "" " " ') == []
    assert len(terms(" ".join(map(str, range(50))))) == MOST_TERMS


def test_who_has_all_words_comes_first_and_names_count_more() -> None:
    all_of_them, _ = score(["a", "b"], "x", "", "", "a b")
    many_of_one, missing = score(["a", "b"], "x", "", "", "a " * 50)
    assert all_of_them > many_of_one and missing == ["b"]
    assert score(["a"], "a", "", "", "")[0] > score(["a"], "x", "", "", "a a a")[0]
    assert score(["a"], "x", "", "", "")[0] == 0


@given(st.text(), st.text())
def test_snippets_are_lines_of_the_text(query: str, text: str) -> None:
    found = snippets(terms(query), text)
    lines = text.splitlines()
    assert len(found) <= 3
    assert all(one.text.strip("…") in lines[one.line - 1] for one in found)
    folded(text)


def test_a_long_line_is_cut_around_the_word() -> None:
    (found,) = snippets(["needle"], f"{'hay ' * 500}needle{' hay' * 500}")
    assert "needle" in found.text and len(found.text) < 300
