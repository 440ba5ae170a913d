"""The parts that decide without a database: addresses, names, cursors, statements, PostgreSQL's words, values."""

# ruff: noqa: E501  statements stand on one line

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import DefinitionError, ToolError
from dovetail.servers.sql import Settings, changes, cursors, statements
from dovetail.servers.sql.address import Postgres, Sqlite, address
from dovetail.servers.sql.answers import Cell
from dovetail.servers.sql.cells import Rows
from dovetail.servers.sql.names import quoted
from dovetail.servers.sql.policy import parse
from dovetail.servers.sql.postgres_words import bare, called, numbered, words

# Addresses


def test_a_path_and_a_url_name_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a b.db"
    path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    expected = Sqlite(path.resolve())
    assert address(str(path)) == address("a b.db") == expected
    assert address("sqlite:///a%20b.db") == address(f"sqlite:///{path}") == address(f"sqlite://{path}") == expected


@pytest.mark.parametrize(
    "url",
    ["nothing.db", "sqlite://host/x", "sqlite:///x?mode=rw", "mysql://u:hunter2@h/d", "file:x", ":memory:", "a\0b",
     "http://h/x", "."],
)  # fmt: skip
def test_what_is_no_database_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        address(url)
    assert str(caught.value).startswith("URL: ") and "hunter2" not in str(caught.value)


def test_a_password_is_in_no_repr_or_label() -> None:
    found = address("postgresql://bob:hunter2@db.example.com/shop?sslmode=require")
    assert isinstance(found, Postgres) and found.label == "shop"
    assert "hunter2" not in repr(found) and "hunter2" not in str(found)


def test_settings_do_not_show_the_url() -> None:
    assert "hunter2" not in repr(Settings(url="postgresql://bob:hunter2@h/d"))


# Names of what is denied


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Secrets", ("secrets",)),
        ("users.SSN", ("users", "ssn")),
        ('"Odd.Name"."a""b"', ("Odd.Name", 'a"b')),
        ("audit.log.What", ("audit", "log", "what")),
        ("ÄRGER", ("Ärger",)),
    ],
)
def test_a_denied_name_is_split_and_folded(text: str, parts: tuple[str, ...]) -> None:
    assert parse(text, 3) == parts


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a.b.c.d", '"a', '"a"b', '"', "a\0"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match="deny: expected TABLE"):
        parse(text, 3)


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=3
    )
)
def test_a_name_in_quotes_is_read_back(parts: list[str]) -> None:
    assert parse(".".join(quoted(part) for part in parts), 3) == tuple(parts)


# Cursors


@given(st.integers(0, cursors.MOST), st.binary(min_size=12, max_size=12))
def test_a_cursor_brings_its_offset_back_for_its_own_statement_only(offset: int, of: bytes) -> None:
    cursor = cursors.make(offset, of)
    assert cursors.offset(cursor, of) == offset
    with pytest.raises(ToolError):
        cursors.offset(cursor, bytes(12) if of != bytes(12) else bytes([1]) * 12)


@given(st.text(max_size=40))
def test_any_text_for_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(ToolError, match="does not belong"):
        cursors.offset(text, b"123456789012")


# Statements


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for dialect in ("sqlite", "postgres"):
        try:
            statements.read(text, dialect)
        except ToolError as error:
            assert 0 < len(str(error)) < 400


WORDS = ["SELECT", "a", "b1", "FROM", "t", "WHERE", "=", "1", "22", "1.5", "'x'", "'y z'", "(", ")", ",", "*", "AND", "?",
         "IN", "x'1f'", "''", "'a''b'", "LIMIT", "1e5", "-- c", ".", "AS", "'", '"', "JOIN", "USING", "natural", "DELETE"]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=14), st.sampled_from(["", " "]))
def test_a_form_is_judged_like_the_statement_itself(pieces: list[str], between: str) -> None:
    sql = between.join(["SELECT ", *pieces])
    form = statements.shape(sql)

    def judged(text: str) -> tuple[bool, bool, frozenset[str]] | None:
        try:
            found = statements._read(text, "sqlite")
        except ToolError:
            return None
        return found.natural, found.star, found.joined

    assert judged(form) == judged(sql)


def test_statements_that_differ_in_values_are_parsed_once() -> None:
    assert statements.shape("SELECT a1 FROM t WHERE id = 17 AND n = 'x y'") == (
        "SELECT a1 FROM t WHERE id = 1 AND n = 'x'"
    )
    for sql in ("SELECT 1 -- 'x'", "SELECT x'1f'", 'SELECT "a"', "SELECT a FROM t JOIN u USING ('b')", "SELECT 'a''b'"):
        assert statements.shape(sql) == sql


@pytest.mark.parametrize("sql", ["SELECT " + "(" * 110 + "1" + ")" * 110, "SELECT " + "f(" * 100 + ")" * 100,
                                 "SELECT " + "1+" * 9_000 + "1", "SELECT " + "CASE WHEN 1 THEN " * 500 + "1" + " END" * 500,
                                 "SELECT " + "NOT " * 10_000 + "1", "SELECT * FROM " + "(SELECT * FROM " * 60 + "t" + ")" * 60])  # fmt: skip
@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_a_statement_that_is_nested_deeply_is_read_or_refused(sql: str, dialect: str) -> None:
    try:
        statements.read(sql, dialect)
    except ToolError:
        pass


@pytest.mark.parametrize("opening", ["ARRAY[", "ARRAY[(ARRAY[", "a["])
def test_what_would_take_the_parser_for_ever_is_refused_at_once(opening: str) -> None:
    with pytest.raises(ToolError, match="too many brackets"):
        statements.read("SELECT " + opening * 30 + "1" + "]" * 30, "postgres")


# PostgreSQL's words


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT pg_sleep(1)", {"pg_sleep"}),
        ('SELECT "Pg"" Sleep" /* ( */ (1)', {'Pg" Sleep'}),
        ("SELECT PG_Sleep -- (\n (1)", {"pg_sleep"}),
        ("SELECT 'f(1)', E'\\'f(1)', $$f(1)$$, $a$ $$f(1) $a$ /* f( /* f( */ f( */", set()),
        ("SELECT 1f(1), 2.f(3)", {"f"}),
        ("SELECT a$b(1), $1 , $a(1)", {"a$b", "a"}),
        ("SELECT E'x' || f('')", {"f"}),
        ("SELECT e''f(1)", {"f"}),
        ("SELECT x-f(1), x*-f(2)--g(1)", {"f"}),
    ],
)
def test_calls_are_found_however_they_are_written(sql: str, names: set[str]) -> None:
    assert called(words(sql)).calls == names


@pytest.mark.parametrize(
    "sql",
    ["SELECT 'a", 'SELECT "a', "SELECT $$a", "SELECT /* /* */", "SELECT E'a\\'", "SELECT U&'a'", 'SELECT u&"a"',
     "SELECT E'a' \n '\\'", "SELECT E'a' -- x\n 'b'", 'SELECT "' + "a" * 64 + '"', "SELECT " + "ä" * 32],
)  # fmt: skip
def test_what_could_be_split_differently_is_refused(sql: str) -> None:
    with pytest.raises(ToolError):
        words(sql)


@given(st.text(max_size=60))
def test_words_cover_any_text_without_overlap(text: str) -> None:
    try:
        found = words(text)
    except ToolError:
        return
    at = 0
    for word in found:
        assert at <= word.start < word.end <= len(text)
        at = word.end


@given(
    st.lists(
        st.sampled_from(["'", "''", "E'", "\\", "$$", "$a$", "/*", "*/", "--", "\n", '"', "x", "(", " ", "1", "U&"])
    )
)
def test_a_call_behind_closed_quotes_is_always_found(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        before = words(text)
    except ToolError:
        return
    if any(word.text and text.rstrip().endswith(word.text) for word in before[-1:]) or "--" in text:
        return  # the name would be part of what stands before it
    assert "zz" in called(words(text + "\n zz(")).all


def test_names_are_numbered_and_casts_stay() -> None:
    sql = "SELECT :a::int, x::a, ':a', :b, a[1:n], :a -- :b"
    text, names = numbered(sql, words(sql), ["a", "b"])
    assert (text, names) == ("SELECT $1::int, x::a, ':a', $2, a[1:n], $1 -- :b", ["a", "b"])


def test_a_number_in_place_of_a_name_joins_no_word_before_it() -> None:
    sql = "SELECT:a::int LIMIT:a"
    assert numbered(sql, words(sql), ["a"]) == ("SELECT $1::int LIMIT $1", ["a"])


def test_a_semicolon_at_the_end_goes_and_another_statement_is_refused() -> None:
    assert bare("SELECT 1 ; -- x", words("SELECT 1 ; -- x")) == "SELECT 1 "
    with pytest.raises(ToolError, match="one statement"):
        bare("SELECT 1; SELECT 2", words("SELECT 1; SELECT 2"))


# Values


@given(
    st.lists(st.tuples(st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.booleans()), max_size=30),
    st.integers(1, 20),
    st.integers(16, 40),
)
def test_a_page_never_holds_more_than_it_may(data: list[tuple[object]], limit: int, cell: int) -> None:
    rows = Rows(["c"], limit, cell, 200)
    taken = 0
    for row in data:
        if not rows.add(row):
            break
        taken += 1
    page = rows.page(None)
    assert len(page.rows) == taken <= limit and (taken or not data)
    assert all(value is None or isinstance(value, int | float) or len(value) <= cell + 3 for (value,) in page.rows)
    assert sum(len(value) for (value,) in page.rows[:-1] if isinstance(value, str)) <= 200


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.none() | st.integers() | st.lists(st.none() | st.integers()))
)
def test_a_condition_binds_every_value_once(where: dict[str, Cell | list[Cell]]) -> None:
    text, values = changes.condition(where, changes.question, 4)
    given = [one for value in where.values() for one in (value if isinstance(value, list) else [value])]
    assert values == [value for value in given if value is not None]
    for number in range(4, 4 + len(values)):
        assert f"?{number}" in text
