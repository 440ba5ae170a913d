"""What people look for, and that nothing of it is understood as anything but words."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.memory.numbering import FIRST, NAME, number_of
from dovetail.servers.memory.query import MOST_TERMS, Hits, quoted, ranked, terms

NASTY = st.text(st.sampled_from("\"*^():+-{}NEARORANDT \x00\\%_'a字é") | st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def index() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    for name, tokenizer in (("words", "unicode61 remove_diacritics 2"), ("parts", "trigram")):
        db.execute(f"CREATE VIRTUAL TABLE {name} USING fts5 (content, tokenize='{tokenizer}')")
        db.execute(f"INSERT INTO {name} VALUES ('secret')")
    return db


@given(query=NASTY)
def test_no_query_is_an_error_of_the_index(index: sqlite3.Connection, query: str) -> None:
    for term in terms(query):
        index.execute("SELECT rowid FROM words WHERE words MATCH ?", (term.words,)).fetchall()
        if term.part:
            index.execute("SELECT rowid FROM parts WHERE parts MATCH ?", (term.part,)).fetchall()
        index.execute("SELECT 1 WHERE 'x' LIKE ? ESCAPE '\\'", (term.like,)).fetchall()


@pytest.mark.parametrize("query", ["* OR secret", "content:secret NOT x", '" OR secret "', "NEAR(secret secret)"])
def test_operators_are_words(index: sqlite3.Connection, query: str) -> None:
    """Each word for itself may find something; the operator between them does nothing."""
    texts = [term.text for term in terms(query)]
    assert all(
        text not in ("*", '"') or not index.execute("SELECT 1 WHERE 'secret' = ?", (text,)).fetchall() for text in texts
    )
    assert [term.words for term in terms("or")] == ['"or"']
    assert [term.words for term in terms("near")] == ['"near"*']
    assert [term.words for term in terms('a"b')] == ['"a"', '"b"']


def test_a_quote_inside_a_string_of_the_index_is_doubled() -> None:
    assert quoted('a"b') == '"a""b"'


def test_words_in_quotes_stand_together_and_each_is_looked_for_once() -> None:
    assert [term.text for term in terms('"New York" coffee COFFEE "" " "')] == ["new york", "coffee"]
    assert len(terms(" ".join(f"w{n}" for n in range(50)))) == MOST_TERMS
    assert terms(" \t\x00 ") == []


def test_who_has_more_of_the_words_and_rarer_ones_comes_first() -> None:
    coffee = Hits([number_of(entity, FIRST) for entity in range(1, 50)], [])
    ann = Hits([number_of(7, NAME), number_of(8, FIRST)], [number_of(9, NAME)])
    order = ranked([coffee, ann], 10_000, None)
    assert order[:3] == [7, 9, 8], "a name counts more than an observation, a word more than a part of one"
    assert ranked([coffee, ann], 10_000, 33)[0] == 33, "the entity of that very name comes first"
    assert sorted(order) == list(range(1, 50)) and ranked([], 0, None) == []


def test_an_accent_of_its_own_is_one_with_its_letter() -> None:
    assert [one.words for one in terms("cafe\u0301")] == [one.words for one in terms("caf\u00e9")]
