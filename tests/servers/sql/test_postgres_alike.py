"""What is parsed is what PostgreSQL sees: the same words to both, held against a real PostgreSQL."""

# ruff: noqa: E501  statements stand on one line

from collections.abc import Iterator
from re import sub
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail import Client
from dovetail.errors import ToolError
from dovetail.servers.sql import Settings, make, statements
from dovetail.servers.sql.postgres_alike import alike, check
from dovetail.servers.sql.postgres_words import words

pytestmark = pytest.mark.timeout(60)  # the first one waits for the server to start


def form(sql: str) -> str:
    return alike(sql, words(sql))


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("SELECT $1,$2", "SELECT $1 ,$2"),
        ("SELECT $1 , $2\n", "SELECT $1 , $2\n"),
        ("SELECT $1--$1,$\n,$2::int", "SELECT $1 \n,$2 ::int"),
        ("SELECT '$1,$', \"$1,$\", E'\\'$1,$'", "SELECT '$1,$', \"$1,$\", E'\\'$1,$'"),
        ("SELECT $$it's$$, $a$ $1,$ $a$", "SELECT 'it''s' , ' $1,$ ' "),
        ("SELECT 'a'$$b$$'c'", "SELECT 'a' 'b' 'c'"),
        ("SELECT 1 AS From$A$, $1", 'SELECT 1 AS "from$a$", $1'),
        ("SELECT 1 AS x\xa0FROM, é\"y\"", 'SELECT 1 AS "x\xa0from", "é" "y"'),
        ("SELECT 1 /* a\n/* */ b */ -- c", "SELECT 1 \n "),
    ],
)  # fmt: skip
def test_a_form_has_the_words_that_postgresql_sees_and_the_lines_that_were_written(sql: str, written: str) -> None:
    assert sub(" +", " ", form(sql)) == written
    check(written)


@pytest.mark.parametrize("sql", ["SELECT 1\x1fFROM t", "SELECT 1 {# , f(2) #}"])
def test_what_the_parser_splits_otherwise_is_refused(sql: str) -> None:
    with pytest.raises(ToolError, match=r"split into words in several ways|Syntax error"):
        statements.read(form(sql), "postgres")
        check(form(sql))


def test_a_dollar_sign_alone_is_refused() -> None:
    with pytest.raises(ToolError, match=r"A `[$]` stands alone"):
        form("SELECT $ 1")


async def run(session: Client, sql: str, params: Any) -> Any:
    result = await session.call_tool("query", {"sql": sql, "params": params})
    assert not result.is_error, (sql, result.text)
    return result.structured["rows"]


@pytest.mark.parametrize("denied", [(), ("customers.card", "secrets")])
async def test_parameters_may_stand_as_close_as_anybody_writes_them(postgres: str, denied: tuple[str, ...]) -> None:
    async with Client(make(Settings(url=postgres, deny=denied))) as session:
        assert await run(session, "SELECT id FROM orders WHERE id IN ($1,$2) ORDER BY 1", [1, 3]) == [[1], [3]]
        assert await run(session, "VALUES ($1::int,$2::int)", [1, 2]) == [[1, 2]]
        assert await run(session, "SELECT $1::int+$2::int,$1::int-$2::int", [3, 2]) == [[5, 1]]
        assert await run(session, "SELECT coalesce($1::text,$2::text)", [None, "b"]) == [["b"]]
        assert await run(session, "SELECT :a::text||:b::text,:a::text LIMIT:n", {"a": "x", "b": "y", "n": 1}) == [
            ["xy", "x"]
        ]
        assert await run(session, "SELECT name AS x$$y,$1::text FROM customers WHERE id=$2", ["p", 1]) == [["Ann", "p"]]


async def test_nothing_hides_between_what_only_the_parser_takes_for_quotes(postgres: str) -> None:
    hidden = "SELECT $1::text,$2::text, (SELECT what FROM secrets), $1::text,$a$ , 1 AS z$a$"
    async with Client(make(Settings(url=postgres, deny=("secrets",)))) as session:
        told = await session.call_tool("query", {"sql": hidden, "params": ["p", "q"]})
    assert told.is_error and told.text.startswith("There is no table 'secrets'")


ITEMS = [
    "$1", "$2", "$1::text", "$1 AS a$b", "$1::text||$2", "'it''s'", "'\\'", "'--'", "'/*'", "'$1,$'", "N'x'", "b'1'", "x'1f'",
    "'a'\n'$$'", "E'\\'$1,$'", "E'a\\\\'", "$$it's$$", "$$$1,$$$", "$a$ , 1 AS z$a$", "$tag$ $$ $a$ $tag$", "$é$x'$é$", "1.5e3",
    "1 AS from$a$", "1 AS é", '1 AS "$a$"', '1 AS "a""b"', "1 AS x\xa0FROM", "1 AS select$1", "/*$1,$*/1", "1--$1,$\n", "/*/**/*/2",
    "(SELECT $1,$2 LIMIT 1)", "ARRAY[$1,$2]", "1$$x$$", "1 AS a$$", "x",
]  # fmt: skip
BETWEEN = [",", ", ", ",\n", " ,", "||", ",/**/", ",--$\n"]


@pytest.fixture(scope="module")
def connection(postgres_server: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_server, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        yield connection


@given(st.lists(st.tuples(st.sampled_from(ITEMS), st.sampled_from(BETWEEN)), min_size=1, max_size=6))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_postgresql_gives_for_a_form_what_it_gives_for_the_statement(
    connection: psycopg.Connection[Any], pieces: list[tuple[str, str]]
) -> None:
    sql = "SELECT " + "".join(item + between for item, between in pieces[:-1]) + pieces[-1][0] + ",$1::text,$2::text"
    try:
        given_ = connection.execute(sql.encode(), ["p", "q"])
        wanted = ([column.name for column in given_.description or ()], given_.fetchall())
    except psycopg.Error:
        return
    written = form(sql)
    found = connection.execute(written.encode(), ["p", "q"])
    assert ([column.name for column in found.description or ()], found.fetchall()) == wanted
    statement = statements.read(written, "postgres")
    check(written)
    assert len(statement.tree.selects) == len(wanted[0])


@pytest.mark.parametrize("number", ["1_000", "0o17", "0xFF", "0b11", "1_0.5", "10_"])
def test_numbers_that_only_newer_servers_read_as_one_are_refused(number: str) -> None:
    with pytest.raises(ToolError, match="Write numbers in decimal digits alone"):
        words(f"SELECT price*{number} FROM orders")


@pytest.mark.parametrize("number", ["1000", "1e10", "0.5", "1.5e-3", "0"])
def test_ordinary_numbers_are_not(number: str) -> None:
    assert words(f"SELECT {number}")
