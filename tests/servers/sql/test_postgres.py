"""PostgreSQL, a real one, through the real framing."""

# ruff: noqa: E501  statements stand on one line

import asyncio
import os
import signal
from typing import Any

import psycopg
import pytest

from dovetail import Client
from dovetail.servers.sql import Settings, make

pytestmark = pytest.mark.timeout(60)  # the first one waits for the server to start


def client(url: str, **settings: Any) -> Client:
    return Client(make(Settings(url=url, **settings)))


async def failing(session: Client, tool: str, **arguments: Any) -> str:
    result = await session.call_tool(tool, arguments)
    assert result.is_error, result.text
    return result.text


async def rows(session: Client, sql: str, params: Any = None) -> list[list[Any]]:
    result = await session.call_tool("query", {"sql": sql, "params": params})
    assert not result.is_error, result.text
    found: list[list[Any]] = result.structured["rows"]
    return found


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_a_query_returns_columns_and_rows(postgres: str, revision: str) -> None:
    async with Client(make(Settings(url=postgres)), revision=revision) as session:
        result = await session.call_tool("query", {"sql": "SELECT id, name, city FROM customers ORDER BY id;"})
    assert result.structured == {
        "columns": ["id", "name", "city"],
        "rows": [[1, "Ann", "Bonn"], [2, "Bob", "Kiel"], [3, "Cy", None]],
    }


async def test_values_are_bound_by_position_and_by_name(postgres: str) -> None:
    async with client(postgres) as session:
        assert await rows(session, "SELECT name FROM customers WHERE id = $1", [2]) == [["Bob"]]
        named = "SELECT name, :who::text || '::x' FROM customers WHERE name = :who AND id = ANY(:ids)"
        assert await rows(session, named, {"who": "Ann", "ids": [1, 2], "unused": 1}) == [["Ann", "Ann::x"]]
        assert await rows(session, "SELECT name FROM customers WHERE name = $1", ["' OR 1=1 --"]) == []
        assert await rows(session, "SELECT (ARRAY[1,2,3])[1:i], ':who' FROM (SELECT 2 AS i) x", {"who": "x"}) == [
            ["{1,2}", ":who"]
        ]


async def test_pages_follow_each_other_without_a_gap(postgres: str) -> None:
    seen: list[int] = []
    cursor = None
    async with client(postgres, page_size=1100) as session:
        while True:
            arguments = {"sql": "SELECT i FROM numbers ORDER BY i", "cursor": cursor}
            page = (await session.call_tool("query", arguments)).structured
            seen += [row[0] for row in page["rows"]]
            cursor = page.get("next_cursor")
            if cursor is None:
                break
    assert seen == list(range(1, 5001))


TYPES = """SELECT 1::int2, 9223372036854775807, 1.10::numeric, 1.5::float4, 'NaN'::float8, true, NULL, '\\x00ff'::bytea,
'{"a": 1}'::jsonb, '2026-01-02'::date, '12:30'::time, ARRAY[1, NULL], ROW(1, 'x'), '1 day'::interval, 'a'::char(3),
'10.0.0.0/8'::cidr, int4range(1, 5), 'b1946ac9-2492-4347-8af1-7f5d5b3c0a11'::uuid, E'a\\tb', $$it's$$, x'1f', 2 ^ 3, 7 / 2"""


async def test_every_type_is_a_number_a_boolean_or_a_text(postgres: str) -> None:
    async with client(postgres) as session:
        assert (await rows(session, TYPES))[0] == [
            1, 9223372036854775807, "1.10", 1.5, "NaN", True, None, "x'00ff'", '{"a": 1}', "2026-01-02", "12:30:00",
            "{1,NULL}", "(1,x)", "1 day", "a", "10.0.0.0/8", "[1,5)", "b1946ac9-2492-4347-8af1-7f5d5b3c0a11", "a\tb",
            "it's", "00011111", 8.0, 3,
        ]  # fmt: skip


async def test_long_values_are_cut_before_they_travel(postgres: str) -> None:
    async with client(postgres, cell_size=16) as session:
        page = (
            await session.call_tool("query", {"sql": "SELECT repeat('x', 50000000), repeat('ab', 50)::bytea, 'ok'"})
        ).structured
    text, blob, plain = page["rows"][0]
    assert text == "x" * 16 + "…" and plain == "ok"
    assert blob.startswith("x'6162") and len(blob) == 19
    assert "2 long values were cut" in page["notes"][0]


LEGITIMATE = [
    "SELECT extra->'a'->>'b', extra->>'x.y', extra #>> '{a,b}', extra @> '[1]' FROM orders ORDER BY id",
    "SELECT DISTINCT ON (customer) customer, item FROM orders ORDER BY customer, price DESC",
    "SELECT customer, count(*), sum(price) FILTER (WHERE price > 3) FROM orders GROUP BY ROLLUP (customer) ORDER BY 1, 2",
    "SELECT item, rank() OVER w, lag(price, 1, 0::numeric) OVER w FROM orders WINDOW w AS (ORDER BY price DESC)",
    "SELECT string_agg(item, ', ' ORDER BY item), array_agg(price ORDER BY id) FROM orders",
    "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
    "SELECT o.item, x.n FROM orders o CROSS JOIN LATERAL (SELECT length(o.item) AS n) x ORDER BY o.id",
    "SELECT date_trunc('month', placed), extract(year FROM placed), placed + interval '1 day 2 hours' FROM orders LIMIT 1",
    "SELECT to_char(placed AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM orders LIMIT 1",
    "SELECT substring('abcdef' FROM 2 FOR 3), position('c' IN 'abc'), trim(BOTH 'x' FROM 'xax'), overlay('abc' PLACING 'z' FROM 2)",
    "SELECT 7 / 2, 7 % 3, 2 ^ 3, 5 # 3, ~5, 1 << 4, |/ 16, 7.0 / 2, -7 / 2, -(2 ^ 2)",
    "SELECT 'Bonn' ~ '^B', 'Bonn' ~* '^b', 'Bonn' !~ 'x', 'Bonn' ILIKE 'b%', 'a_b' LIKE 'a\\_b', 'x' SIMILAR TO 'x|y'",
    "SELECT coalesce(city, 'none'), nullif(name, 'Ann'), greatest(1, 2), CASE WHEN id > 1 THEN 'b' ELSE 'a' END FROM customers ORDER BY id",
    "SELECT ARRAY[1, 2] || 3, (ARRAY[1, 2, 3])[2], (ARRAY[1, 2, 3])[1:2], 2 = ANY (ARRAY[1, 2]), cardinality(ARRAY[1])",
    "SELECT * FROM generate_series(1, 3) WITH ORDINALITY AS g(v, n)",
    "SELECT * FROM unnest(ARRAY['a', 'b']) AS u(v) ORDER BY v DESC",
    "SELECT * FROM jsonb_to_recordset('[{\"a\": 1}]') AS r(a int)",
    "SELECT key, value FROM jsonb_each('{\"a\": 1, \"b\": [2]}') ORDER BY key",
    "SELECT name FROM customers INTERSECT SELECT 'Ann' UNION ALL SELECT 'z' ORDER BY 1",
    "SELECT a.name, b.name FROM customers a JOIN customers b USING (id) ORDER BY 1",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY price) FROM orders",
    "SELECT item FROM orders ORDER BY price DESC NULLS LAST OFFSET 1 ROWS FETCH FIRST 1 ROWS ONLY",
    "SELECT '2026-01-31'::date + 1, date '2026-01-31' - date '2026-01-01', age(date '2026-03-01', date '2026-01-01')",
    "SELECT CAST('5' AS int) + 1, '5'::numeric(5, 2), 'x'::varchar(10), 1::bool, 'a b'::tsvector @@ 'a'::tsquery",
    "SELECT \"a b\", \"select\" FROM \"odd \"\" name\"",
    "SELECT count(*) FILTER (WHERE i % 2 = 0), min(i), max(i), avg(i) FROM numbers",
    "SELECT E'a\\nb', $tag$it's $$ here$tag$, 'it''s', b'101' /* a /* nested */ comment */ -- and another",
    "VALUES (1, 'a'), (2, 'b')",
    "TABLE bills ORDER BY item",
    "(SELECT 1 AS x) UNION (SELECT 2) ORDER BY x",
    "SELECT EXISTS (SELECT 1 FROM orders WHERE price > 10), (SELECT max(price) FROM orders), ROW(1, 2) = ROW(1, 2)",
    "SELECT width_bucket(5, 0, 10, 5), round(2.567, 2), trunc(-2.5), ceil(1.2), mod(7, 3), power(2, 10), md5('x')",
    "SELECT regexp_replace('abc', 'b', 'x'), regexp_matches('a1b2', '[0-9]', 'g'), split_part('a,b', ',', 2), initcap('ab cd')",
    "SELECT x.* FROM (VALUES (1, 'a')) AS x(n, t) WHERE (n, t) IN ((1, 'a'))",
    "SELECT grouping(customer), customer FROM orders GROUP BY GROUPING SETS ((customer), ()) ORDER BY 1, 2",
    "SELECT id IS DISTINCT FROM 1, city IS NULL, NOT (id = 1) FROM customers ORDER BY id",
]  # fmt: skip


async def test_what_runs_under_a_policy_gives_what_runs_without_one(postgres: str) -> None:
    different = []
    with psycopg.connect(postgres) as plain:
        async with client(postgres) as session, client(postgres, deny=("customers.card", "secrets")) as narrowed:
            for sql in LEGITIMATE:
                count = len(plain.execute(sql).fetchall())
                one = await session.call_tool("query", {"sql": sql})
                other = await narrowed.call_tool("query", {"sql": sql})
                assert not one.is_error, (sql, one.text)
                assert len(one.structured["rows"]) == count
                if other.is_error or one.structured["rows"] != other.structured["rows"]:
                    different.append((sql, one.text, other.text))
    assert different == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nam FROM customers", "There is no column 'nam'. Did you mean name"),
        ("SELECT c.cty FROM customers c", "There is no column 'cty'. Did you mean city"),
        ("SELECT * FROM custmers", "There is no table 'custmers'. Did you mean customers"),
        ("SELEC 1", "Syntax error at line 1"),
        ("SELECT lowr('A')", "PostgreSQL refused: 'function lowr(unknown) does not exist' at line 1, column 8."),
        ("SELECT 1\n + 'a'::int FROM orders", "invalid input syntax for type integer"),
        ("SELECT id FROM orders\nWHERE item = 5", "at line 2, column 12"),
        ("SELECT 1; SELECT 2", "Pass one statement"),
        ("EXPLAIN SELECT 1", "use the tool explain"),
        ("SHOW ALL", "use list_tables and describe_table"),
        ("DELETE FROM orders", "Only reading is possible"),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT $1::int", "PostgreSQL refused"),
        ("SELECT FROM orders", "returns no columns"),
    ],
)
async def test_an_error_says_what_to_do(postgres: str, sql: str, said: str) -> None:
    async with client(postgres) as session:
        assert said in await failing(session, "query", sql=sql)


async def test_a_statement_that_takes_too_long_is_stopped_and_the_next_one_works(postgres: str) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    async with client(postgres, timeout=0.3, connections=1) as session:
        text = await failing(session, "query", sql=endless)
        assert await rows(session, "SELECT 1") == [[1]]
    assert "ran longer than 0.3 seconds" in text


@pytest.mark.timeout(40)
async def test_a_statement_that_postgresql_itself_does_not_stop_is_answered_in_time_and_the_next_one_works(
    postgres: str,
) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    async with client(postgres, timeout=4, connections=1) as session, asyncio.timeout(30):
        call = asyncio.create_task(failing(session, "query", sql=endless))
        process = await asyncio.to_thread(_running, postgres)
        os.kill(process, signal.SIGSTOP)  # as deaf as within one long call of a function
        try:
            text = await call
            assert await rows(session, "SELECT 1") == [[1]]
        finally:
            os.kill(process, signal.SIGCONT)
    assert "ran longer than 4 seconds" in text


def _running(url: str) -> int:
    """The process that runs the endless statement, once it does."""
    with psycopg.connect(url, autocommit=True) as other:
        for _ in range(1_000):  # ten seconds: when it has ended unseen, nobody waits for ever
            other.execute("SELECT pg_sleep(0.01)")  # others have the processor, and the lock of the interpreter
            found = other.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'dovetail' AND query LIKE 'FETCH %'"
                " AND state = 'active' AND datname = current_database()"
            ).fetchone()
            if found is not None:
                return int(found[0])
    raise AssertionError("the statement was not seen to run")


async def test_a_call_that_is_cancelled_stops_the_statement(postgres: str) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    async with client(postgres, timeout=600, connections=1) as session:
        call = asyncio.create_task(session.call_tool("query", {"sql": endless}))
        await asyncio.wait([call], timeout=0.3)
        call.cancel()
        assert await rows(session, "SELECT 1") == [[1]]


async def test_tables_are_listed_with_schema_kind_size_and_comment(postgres: str) -> None:
    async with client(postgres) as session:
        listed = {table["name"]: table for table in (await session.call_tool("list_tables")).structured["tables"]}
    assert listed["orders"] == {"name": "orders", "kind": "table", "rows": 3, "comment": "What was ordered"}
    assert listed["kept"]["kind"] == "materialized view" and listed["measures"]["kind"] == "partitioned table"
    assert {"audit.log", '"odd "" name"'} <= listed.keys()
    assert not any(name.startswith(("pg_", "information_schema")) for name in listed)


async def test_a_table_is_described_with_its_keys_and_indexes(postgres: str) -> None:
    async with client(postgres) as session:
        table = (await session.call_tool("describe_table", {"table": "public.orders"})).structured
        odd = (await session.call_tool("describe_table", {"table": '"odd "" name"'})).structured
        other = (await session.call_tool("describe_table", {"table": "audit.log"})).structured
        missing = await failing(session, "describe_table", table="order")
    columns = {column["name"]: column for column in table["columns"]}
    assert columns["customer"] == {"name": "customer", "type": "integer", "nullable": False}
    assert columns["price"]["type"] == "numeric(10,2)"
    assert table["primary_key"] == ["id"]
    assert table["foreign_keys"] == [{"columns": ["customer"], "table": "customers", "references": ["id"]}]
    assert {"name": "orders_item_key", "columns": ["item"], "unique": True} in table["indexes"]
    assert [column["name"] for column in odd["columns"]] == ["a b", "select"]
    assert other["name"] == "audit.log"
    assert missing == "There is no table 'order'. Did you mean orders?"


async def test_a_plan_shows_what_is_scanned(postgres: str) -> None:
    async with client(postgres) as session:
        plan = await session.call_tool("explain", {"sql": "SELECT * FROM numbers WHERE i = $1", "params": [1]})
        refused = await failing(session, "explain", sql="DELETE FROM orders")
    assert "Seq Scan on numbers" in plan.text
    assert "Only reading is possible" in refused


async def test_a_table_can_be_read_page_by_page_as_a_resource(postgres: str) -> None:
    async with client(postgres, page_size=2) as session:
        first = await session.read_resource("sql://table/orders")
        assert '"next":"sql://table/orders?cursor=' in (first.contents[0].text or "")
        odd = await session.read_resource("sql://table/%22odd%20%22%22%20name%22")
        schema = await session.read_resource("sql://schema/audit.log")
    assert '"rows":[["x",1]]' in (odd.contents[0].text or "")
    assert '"what"' in (schema.contents[0].text or "")


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_rows_are_changed_when_the_user_agrees(postgres: str, revision: str) -> None:
    asked: list[str] = []

    async def agree(question: Any) -> dict[str, Any]:
        asked.append(question.message)
        return {}

    server = make(Settings(url=postgres, allow_writes=True))
    async with Client(server, on_elicit=agree, revision=revision) as session:
        new = [{"customer": 3, "item": "jug", "price": 7.5, "extra": '{"x": 1}'}, {"customer": 3, "item": "lid"}]
        inserted = await session.call_tool("insert", {"table": "orders", "rows": new})
        updated = await session.call_tool(
            "update", {"table": "orders", "values": {"price": "8.25"}, "where": {"item": ["jug", "lid"]}}
        )
        deleted = await session.call_tool("delete", {"table": "orders", "where": {"item": "lid", "extra": None}})
        left = await rows(session, "SELECT item, price, extra FROM orders WHERE customer = 3")
        unique = await failing(session, "insert", table="orders", rows=[{"customer": 1, "item": "tea"}])
        view = await failing(session, "delete", table="bills", where={"item": "tea"})
    assert [result.structured for result in (inserted, updated, deleted)] == [
        {"table": "orders", "rows": 2},
        {"table": "orders", "rows": 2},
        {"table": "orders", "rows": 1},
    ]
    assert left == [["jug", "8.25", '{"x": 1}']]
    assert asked[1].startswith('Update 2 rows of orders?\nSet price: "8.25"\nwhere item: "jug" or "lid"')
    assert "unique constraint" in unique and "tea" not in unique
    assert "only rows of tables can be changed" in view


async def test_a_database_that_cannot_be_reached_is_told_without_a_word_about_it() -> None:
    url = "postgresql://someone:hunter2@127.0.0.1:1/nowhere"
    async with client(url, timeout=0.5) as session:
        text = await failing(session, "list_tables")
    assert text.startswith("The database cannot be reached now")
    assert "hunter2" not in text and "someone" not in text and "127.0.0.1" not in text


async def test_connections_come_back_after_the_server_has_dropped_them(postgres: str) -> None:
    async with client(postgres, connections=1) as session:
        await rows(session, "SELECT 1")
        with psycopg.connect(postgres, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dovetail'")
        assert await rows(session, "SELECT 1") == [[1]]


async def test_a_value_that_is_missing_is_named(postgres: str) -> None:
    async with Client(make(Settings(url=postgres))) as session:
        for sql in ("SELECT :a", "SELECT 1 WHERE 1=:a", "SELECT coalesce(:a, :b)"):
            text = await failing(session, "query", sql=sql, params={"b": 2})
            assert text == "params has no value for :a: give one by that name."


@pytest.mark.parametrize("denied", [(), ("customers.card",)])
async def test_a_name_needs_an_object_of_values(postgres: str, denied: tuple[str, ...]) -> None:
    async with client(postgres, deny=denied) as session:
        for params in ([1], None):
            text = await failing(session, "query", sql="SELECT $1::text, :a", params=params)
            assert text == ":a is bound by its name: pass params as an object with 'a' in it."


async def test_upper_and_lower_case_of_a_column_are_not_alike(postgres: str) -> None:
    async with client(postgres, allow_writes=True) as session:
        text = await failing(session, "update", table="orders", values={"PRICE": 1}, where={"id": 1})
        assert text == "There is no column 'PRICE'. Did you mean price?"


async def test_a_call_waits_for_a_connection_that_a_statement_has_until_its_time_is_up(postgres: str) -> None:
    endless = "SELECT count(*) FROM numbers a, numbers b, numbers c"
    async with client(postgres, connections=1, timeout=1) as session:
        await rows(session, "SELECT 1")
        first = asyncio.create_task(failing(session, "query", sql=endless))
        second = asyncio.create_task(rows(session, "SELECT 2"))
        assert "ran longer than 1 seconds" in await first and await second == [[2]]


async def test_connections_that_are_all_busy_are_told_as_such_with_the_option(postgres: str) -> None:
    endless = "SELECT count(*) FROM numbers a, numbers b, numbers c"
    async with client(postgres, connections=1, timeout=1) as session:
        await rows(session, "SELECT 1")
        answers = await asyncio.gather(*(failing(session, "query", sql=endless) for _ in range(5)))
    crowded = [text for text in answers if text.startswith("All 1 connections to the database are busy")]
    assert crowded and all("--connections" in text for text in crowded)
    assert not any("cannot be reached" in text for text in answers)


async def test_a_number_beside_a_column_of_texts_is_told_with_what_to_do(postgres: str) -> None:
    async with client(postgres) as session:
        text = await failing(session, "query", sql="SELECT 1 FROM customers WHERE city = 12")
    assert "operator does not exist" in text and "give a text to compare with a text column" in text


async def test_a_name_that_is_not_there_is_answered_on_the_connection_that_the_statement_had(postgres: str) -> None:
    async with client(postgres, connections=1, deny=("customers.card",)) as one, client(postgres) as four:
        assert "There is no column 'nam'" in await failing(one, "query", sql="SELECT nam FROM customers")
        assert "There is no table 'custmers'" in await failing(one, "query", sql="SELECT 1 FROM custmers")
        assert "There is no column 'nam'" in await failing(one, "explain", sql="SELECT nam FROM customers")
        async with asyncio.timeout(9):  # less than anybody waits for a connection
            asked = [f"SELECT nam{i} FROM customers" for i in range(12)]
            said = await asyncio.gather(*(failing(four, "query", sql=sql) for sql in asked), rows(four, "SELECT 1"))
    assert said.pop() == [[1]]
    assert all("Did you mean name" in str(text) for text in said)


async def test_a_value_that_cannot_be_bound_is_told_as_such_before_anybody_is_asked(postgres: str) -> None:
    async def agree(question: Any) -> dict[str, Any]:
        raise AssertionError("nobody is asked for what cannot be done")

    nul = "A value has a NUL character in it"
    async with Client(make(Settings(url=postgres, allow_writes=True)), on_elicit=agree) as session:
        for tool in ("query", "explain"):
            assert (await failing(session, tool, sql="SELECT $1::text", params=["a\0b"])).startswith(nul)
            assert (await failing(session, tool, sql="SELECT :a::text[]", params={"a": ["x", "\0"]})).startswith(nul)
            assert "mixed types" in await failing(session, tool, sql="SELECT $1::text[]", params=[[1, "a"]])
        values = {"item": "a\0b"}
        row = await failing(session, "insert", table="orders", rows=[{"customer": 1}, values])
        value = await failing(session, "update", table="orders", values=values, where={"id": 1})
        where = await failing(session, "delete", table="orders", where={"item": ["a", "\0"]})
        assert row == value == where and row.startswith(f"'item': {nul}")
        assert await rows(session, "SELECT encode($1::bytea, 'hex')", ["\\x6100"]) == [["6100"]]
