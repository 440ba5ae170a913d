"""SQLite, through the real framing, on both eras where that could matter."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.errors import DefinitionError
from dovetail.servers.sql import Settings, make
from dovetail.servers.sql.database import Limits
from dovetail.servers.sql.sqlite_database import SqliteDatabase

ERAS = pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])


def client(path: Path, **settings: Any) -> Client:
    return Client(make(Settings(url=str(path), poll=0, **settings)))


async def failing(session: Client, tool: str, **arguments: Any) -> str:
    result = await session.call_tool(tool, arguments)
    assert result.is_error, result.text
    return result.text


@ERAS
async def test_a_query_returns_columns_and_rows(shop: Path, revision: str) -> None:
    async with Client(make(Settings(url=str(shop))), revision=revision) as session:
        result = await session.call_tool("query", {"sql": "SELECT id, name, city FROM customers ORDER BY id"})
    assert result.structured == {
        "columns": ["id", "name", "city"],
        "rows": [[1, "Ann", "Bonn"], [2, "Bob", "Kiel"], [3, "Cy", None]],
    }


async def test_values_are_bound_by_position_and_by_name(shop: Path) -> None:
    async with client(shop) as session:
        one = await session.call_tool("query", {"sql": "SELECT name FROM customers WHERE id = ?", "params": [2]})
        other = await session.call_tool(
            "query", {"sql": "SELECT name FROM customers WHERE name = :who", "params": {"who": "' OR 1=1 --"}}
        )
        wrong = await failing(session, "query", sql="SELECT ?", params=[1, 2])
    assert one.structured["rows"] == [["Bob"]]
    assert other.structured["rows"] == []
    assert wrong.startswith("The parameters do not fit the statement")


async def test_pages_follow_each_other_without_a_gap(shop: Path) -> None:
    seen: list[int] = []
    cursor = None
    async with client(shop, page_size=700) as session:
        while True:
            arguments = {"sql": "SELECT i FROM numbers ORDER BY i", "cursor": cursor}
            page = (await session.call_tool("query", arguments)).structured
            seen += [row[0] for row in page["rows"]]
            cursor = page.get("next_cursor")
            if cursor is None:
                break
    assert seen == list(range(1, 5001))


async def test_a_limit_makes_smaller_pages(shop: Path) -> None:
    async with client(shop) as session:
        page = (await session.call_tool("query", {"sql": "SELECT i FROM numbers ORDER BY i", "limit": 3})).structured
        rest = await session.call_tool(
            "query", {"sql": "SELECT i FROM numbers ORDER BY i", "limit": 2, "cursor": page["next_cursor"]}
        )
    assert page["rows"] == [[1], [2], [3]]
    assert rest.structured["rows"] == [[4], [5]]


async def test_a_cursor_of_another_statement_is_refused(shop: Path) -> None:
    async with client(shop, page_size=2) as session:
        page = (await session.call_tool("query", {"sql": "SELECT i FROM numbers"})).structured
        text = await failing(session, "query", sql="SELECT id FROM orders", cursor=page["next_cursor"])
        nonsense = await failing(session, "query", sql="SELECT id FROM orders", cursor="zzz")
    assert "does not belong to this statement" in text
    assert "does not belong to this statement" in nonsense


async def test_long_values_are_cut_and_the_answer_says_so(shop: Path) -> None:
    async with client(shop, cell_size=16) as session:
        page = (
            await session.call_tool(
                "query", {"sql": "SELECT printf('%.100c', 'x') AS t, randomblob(50) AS b, 'ok' AS o"}
            )
        ).structured
    text, blob, plain = page["rows"][0]
    assert text == "x" * 16 + "…"
    assert blob.startswith("x'") and blob.endswith("…") and len(blob) == 19
    assert plain == "ok"
    assert "2 long values were cut" in page["notes"][0]


async def test_an_answer_has_a_size(shop: Path) -> None:
    async with client(shop, answer_size=1000, page_size=1000) as session:
        page = (await session.call_tool("query", {"sql": "SELECT printf('%.90c', 'x') FROM numbers"})).structured
    assert 5 < len(page["rows"]) < 20
    assert page["next_cursor"] and "full before its last row" in page["notes"][0]


async def test_values_that_json_has_no_words_for_are_texts(shop: Path) -> None:
    sql = "SELECT 9e999, -9e999, x'00ff', CAST(x'ff41' AS TEXT), 1.5, NULL, 9223372036854775807"
    async with client(shop) as session:
        page = (await session.call_tool("query", {"sql": sql})).structured
    assert page["rows"] == [["Infinity", "-Infinity", "x'00ff'", "\ufffdA", 1.5, None, 9223372036854775807]]


async def test_a_statement_that_takes_too_long_is_stopped_and_the_next_one_works(shop: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    async with client(shop, timeout=0.3) as session:
        text = await failing(session, "query", sql=endless)
        after = await session.call_tool("query", {"sql": "SELECT 1"})
    assert "ran longer than 0.3 seconds" in text
    assert after.structured["rows"] == [[1]]


async def test_what_ran_out_of_time_in_place_leaves_no_transaction_behind(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.servers.sql.sqlite_running.IN_PLACE", -1.0)
    long = "SELECT count(*) FROM numbers a, numbers b WHERE a.i < 100"
    async with client(shop) as session:
        for _ in range(3):
            result = await session.call_tool("query", {"sql": long})
            assert result.structured["rows"] == [[99 * 5000]], result.text
            assert not (await session.call_tool("list_tables")).is_error


async def test_a_call_that_is_cancelled_stops_the_statement(shop: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    async with client(shop, timeout=600, connections=1) as session:
        call = asyncio.create_task(session.call_tool("query", {"sql": endless}))
        # The only other connection is taken: what comes after has to wait until it is free.
        await asyncio.wait([call], timeout=0.1)
        call.cancel()
        after = await session.call_tool("query", {"sql": "SELECT count(*) FROM numbers a, numbers b WHERE a.i < 200"})
        assert after.structured["rows"] == [[199 * 5000]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT zeroblob(1000000000)",
        "SELECT group_concat(hex(randomblob(60000))) FROM numbers",
        "SELECT replace(hex(zeroblob(8000000)), '0', 'abcdefgh')",
        "SELECT hex(zeroblob(8000000)) || hex(zeroblob(8000000))",
        "WITH RECURSIVE d(s) AS (SELECT 'xxxxxxxx' UNION ALL SELECT s || s FROM d) SELECT max(length(s)) FROM d",
    ],
)
async def test_memory_is_limited(shop: Path, sql: str) -> None:
    async with client(shop, timeout=2) as session:
        text = await failing(session, "query", sql=sql)
    assert "too long" in text or "ran longer" in text or "more memory" in text


async def test_many_long_values_in_one_row_are_refused(shop: Path) -> None:
    columns = ", ".join(["randomblob(16000000)"] * 40)
    async with client(shop, timeout=5, memory=64) as session:
        text = await failing(session, "query", sql=f"SELECT {columns} FROM orders ORDER BY random()")
        after = await session.call_tool("query", {"sql": "SELECT 1"})
    assert "more memory" in text
    assert after.structured["rows"] == [[1]]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nam FROM customers", "There is no column 'nam'. Did you mean name?"),
        ("SELECT c.cty FROM customers c", "There is no column 'cty'. Did you mean city?"),
        ("SELECT * FROM custmers", "There is no table 'custmers'. Did you mean customers"),
        ("SELEC 1", "Syntax error at line 1"),
        ("SELECT 1\nFROM orders WHERE", "Syntax error at line 2"),
        ("SELECT 'abc", "not closed"),
        ("", "$.sql"),
        (";", "Pass one statement, not 0"),
        ("SELECT 1; SELECT 2", "Pass one statement, not 2"),
        ("EXPLAIN SELECT 1", "use the tool explain"),
        ("PRAGMA table_info(orders)", "use list_tables and describe_table"),
        ("DELETE FROM orders", "Only reading is possible"),
        ("SELECT " + "(" * 200 + "1" + ")" * 200, "too many brackets"),
        ("SELECT '" + "x" * 50_000 + "'", "$.sql"),
        ("SELECT 1 WHERE 1 = '\0'", "NUL"),
        ("SELECT * FROM pragma_foreign_keys", "not available here: list_tables and describe_table"),
        ("SELECT * FROM dbstat", "'dbstat' cannot be opened here. Do without it: list_tables"),
    ],
)
async def test_an_error_says_what_to_do(shop: Path, sql: str, said: str) -> None:
    async with client(shop) as session:
        assert said in await failing(session, "query", sql=sql)


async def test_tables_are_listed_with_their_kind_and_size(shop: Path) -> None:
    async with client(shop) as session:
        listed = (await session.call_tool("list_tables")).structured
        some = (await session.call_tool("list_tables", {"containing": "ORD"})).structured
    assert listed["database"].startswith("SQLite 3.")
    kinds = {table["name"]: table["kind"] for table in listed["tables"]}
    assert kinds["orders"] == "table" and kinds["bills"] == "view" and kinds["notes"] == "virtual"
    assert not any(name.startswith(("sqlite_", "notes_")) for name in kinds)
    assert some["tables"] == [{"name": "orders", "kind": "table", "rows": 3}]


async def test_a_table_is_described_with_its_keys_and_indexes(shop: Path) -> None:
    async with client(shop) as session:
        table = (await session.call_tool("describe_table", {"table": "ORDERS"})).structured
    assert [column["name"] for column in table["columns"]] == ["id", "customer", "item", "price"]
    assert table["columns"][1] == {"name": "customer", "type": "INTEGER", "nullable": False}
    assert table["primary_key"] == ["id"]
    assert table["foreign_keys"] == [{"columns": ["customer"], "table": "customers", "references": ["id"]}]
    assert {"name": "by_customer", "columns": ["customer"]} in table["indexes"]


async def test_an_unknown_table_is_answered_with_the_nearest(shop: Path) -> None:
    async with client(shop) as session:
        assert await failing(session, "describe_table", table="order") == (
            "There is no table 'order'. Did you mean orders?"
        )


async def test_a_plan_shows_what_is_scanned(shop: Path) -> None:
    async with client(shop) as session:
        scan = await session.call_tool("explain", {"sql": "SELECT * FROM orders WHERE price > 3"})
        search = await session.call_tool("explain", {"sql": "SELECT * FROM orders WHERE id = ?", "params": [1]})
        refused = await failing(session, "explain", sql="DELETE FROM orders")
    assert "SCAN orders" in scan.text
    assert "SEARCH orders" in search.text
    assert "Only reading is possible" in refused


async def test_full_text_and_spatial_tables_can_be_searched(shop: Path) -> None:
    async with client(shop) as session:
        notes = await session.call_tool(
            "query", {"sql": "SELECT body FROM notes WHERE notes MATCH ? ORDER BY rank", "params": ["tea"]}
        )
        boxes = await session.call_tool("query", {"sql": "SELECT id FROM boxes WHERE low >= 2"})
    assert notes.structured["rows"] == [["the tea is green"]]
    assert boxes.structured["rows"] == [[2]]


@pytest.mark.parametrize("denied", [(), ("customers.card", "secrets")])
async def test_json_is_taken_apart_by_the_functions_that_stand_for_tables(shop: Path, denied: tuple[str, ...]) -> None:
    async with client(shop, deny=denied) as session:
        for sql, rows in (
            ("SELECT value FROM json_each('[1,2]')", [[1], [2]]),
            ("SELECT fullkey FROM json_tree('{\"a\":[5]}') WHERE atom IS NOT NULL", [["$.a[0]"]]),
            ("SELECT c.id, j.value FROM customers c, json_each(json_array(c.name)) j WHERE c.id = 2", [[2, "Bob"]]),
            ("SELECT id FROM orders WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id", [[1], [3]]),
            ("SELECT group_concat(value) FROM json_each('[1,2]')", [["1,2"]]),
        ):
            params = ["[1,3]"] if "?" in sql else None
            assert (await session.call_tool("query", {"sql": sql, "params": params})).structured["rows"] == rows, sql


async def test_a_view_that_takes_json_apart_is_there_under_a_policy_and_denied_with_what_it_shows(shop: Path) -> None:
    connection = sqlite3.connect(shop)
    for name, column in (("letters", "name"), ("digits", "card")):
        quoted = f"""'["' || c.{column} || '"]'"""
        connection.execute(f"CREATE VIEW {name} AS SELECT j.value AS x FROM customers c, json_each({quoted}) j")
    connection.close()
    async with client(shop, deny=("customers.card",)) as session:
        letters = await session.call_tool("query", {"sql": "SELECT x FROM letters"})
        assert letters.structured["rows"] == [["Ann"], ["Bob"], ["Cy"]]
        assert "not available" in await failing(session, "query", sql="SELECT x FROM digits")


async def test_rows_are_counted_where_sqlite_can_and_another_way_is_named_where_it_cannot(shop: Path) -> None:
    async with client(shop) as session:
        found = await session.call_tool("query", {"sql": "SELECT value FROM generate_series(1, 3)"})
    if found.is_error:
        assert "This SQLite has no generate_series. Write WITH RECURSIVE" in found.text
    else:
        assert found.structured["rows"] == [[1], [2], [3]]


async def test_the_words_of_a_full_text_table_can_be_listed(shop: Path) -> None:
    connection = sqlite3.connect(shop)
    connection.execute("CREATE VIRTUAL TABLE words USING fts5vocab(notes, row)")
    connection.close()
    async with client(shop) as session:
        words = await session.call_tool("query", {"sql": "SELECT term, doc FROM words WHERE doc > 1 ORDER BY term"})
    assert words.structured["rows"] == [["is", 2], ["the", 2]]


async def test_the_tools_say_that_they_only_read(shop: Path) -> None:
    async with client(shop) as session:
        tools = await session.list_tools()
    assert {tool.name for tool in tools} == {"query", "list_tables", "describe_table", "explain"}
    for tool in tools:
        assert tool.output_schema or tool.name == "explain"
        assert tool.annotations is not None and tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False and tool.annotations.open_world_hint is False


async def test_a_database_that_somebody_holds_locked_is_waited_for_and_told(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.servers.sql.sqlite_running.BUSY_SECONDS", 0.05)
    async with client(shop) as session:
        other = sqlite3.connect(shop, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        text = await failing(session, "query", sql="SELECT * FROM orders")
        other.execute("ROLLBACK")
        other.close()
        after = await session.call_tool("query", {"sql": "SELECT count(*) FROM orders"})
    assert "locked by somebody else" in text
    assert after.structured["rows"] == [[3]]


async def test_a_file_in_wal_mode_is_read_while_somebody_writes(shop: Path) -> None:
    other = sqlite3.connect(shop, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    async with client(shop) as session:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM orders")
        during = await session.call_tool("query", {"sql": "SELECT count(*) FROM orders"})
        other.execute("COMMIT")
        after = await session.call_tool("query", {"sql": "SELECT count(*) FROM orders"})
    other.close()
    assert (during.structured["rows"], after.structured["rows"]) == ([[3]], [[0]])


async def test_a_schema_that_changes_meanwhile_is_seen(shop: Path) -> None:
    async with client(shop) as session:
        await session.call_tool("query", {"sql": "SELECT * FROM orders"})
        other = sqlite3.connect(shop, isolation_level=None)
        other.execute("ALTER TABLE orders ADD COLUMN colour TEXT DEFAULT 'red'")
        other.execute("CREATE VIRTUAL TABLE more USING rtree(id, low, high)")
        other.close()
        found = await session.call_tool("query", {"sql": "SELECT colour FROM orders LIMIT 1"})
        boxes = await session.call_tool("query", {"sql": "SELECT count(*) FROM more"})
    assert found.structured["rows"] == [["red"]]
    assert boxes.structured["rows"] == [[0]]


def test_a_file_that_is_no_database_is_refused_when_the_server_is_made(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database, and it is long enough to be taken for one. " * 20)
    with pytest.raises(DefinitionError, match="no SQLite database"):
        make(Settings(url=str(path)))


@pytest.mark.parametrize("name", ["secret", "customers.crd", "customer.card"])
def test_a_denied_name_that_is_misspelt_is_refused(shop: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match=f"has no '{name}'; is it misspelt"):
        make(Settings(url=str(shop), deny=(name,)))


NEVER_ENDING = (
    "SELECT printf('%.*c%.*c%.*c%.*c', 2000000000, 'x', 2000000000, 'x', 2000000000, 'x', 2000000000, 'x')",
    "SELECT instr(hex(zeroblob(7000000)), hex(zeroblob(3000000)) || '1')",
    "SELECT replace(hex(zeroblob(7000000)), hex(zeroblob(3000000)) || '1', '')",
)
"""One call of a function each, which SQLite itself never interrupts."""


@pytest.mark.parametrize("sql", NEVER_ENDING)
async def test_one_long_call_of_a_function_is_stopped_and_blocks_nothing(shop: Path, sql: str) -> None:
    async with client(shop, timeout=0.3, connections=1) as session:
        loop = asyncio.get_running_loop()
        await session.call_tool("query", {"sql": "SELECT count(*) FROM orders"})  # its process is there now
        began = loop.time()
        long = asyncio.create_task(session.call_tool("query", {"sql": sql}))
        for _ in range(20):
            short = await session.call_tool("query", {"sql": "SELECT 1"})
            assert short.structured["rows"] == [[1]] and not long.done()
        assert "ran longer than 0.3 seconds" in (await long).text
        assert loop.time() - began < 3
        after = await session.call_tool("query", {"sql": "SELECT count(*) FROM orders"})
        assert after.structured["rows"] == [[3]]


async def test_the_end_of_the_server_and_of_a_call_wait_for_no_function(shop: Path) -> None:
    loop = asyncio.get_running_loop()
    async with client(shop, timeout=600) as session:
        began = loop.time()
        calls = [asyncio.create_task(session.call_tool("query", {"sql": sql})) for sql in NEVER_ENDING]
        await asyncio.wait(calls, timeout=0.5)
        calls[0].cancel()
        plain = await session.call_tool("query", {"sql": "SELECT 1"})
        assert plain.structured["rows"] == [[1]]
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert loop.time() - began < 5


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM numbers",
        "SELECT 1 FROM orders WHERE item LIKE 't%'",
        "SELECT body FROM notes LIMIT 1",
        "SELECT printf('%d', 1)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT * FROM (SELECT * FROM (SELECT 1))",
        "SELECT 1" + " " * 2_000,
    ],
)
async def test_what_may_be_long_in_a_step_or_to_prepare_does_not_run_in_place(shop: Path, sql: str) -> None:
    database = SqliteDatabase(shop, [], Limits(5.0, 10, 100, 1000, 10), 1, 64)
    await database.open()
    try:
        await database.query("SELECT id, item FROM orders WHERE id = 1", None, None, None)
        assert not database._workers._all
        assert (await database.query(sql, None, None, None)).rows
        assert len(database._workers._all) == 1
    finally:
        await database.close()
    assert not database._workers._all


@pytest.mark.parametrize("known", [True, False])
async def test_an_idle_process_that_was_killed_is_replaced_before_anybody_notices(shop: Path, known: bool) -> None:
    slow = "SELECT count(*) FROM numbers"
    database = SqliteDatabase(shop, [], Limits(5.0, 10, 100, 1000, 10), 2, 64)
    await database.open()
    workers = database._workers
    try:
        await asyncio.gather(*(database.query(slow, None, None, None) for _ in range(2)))
        killed = set(workers._all)
        assert len(killed) == 2
        for one in killed:
            one.process.kill()
            if known:
                await one.process.wait()
        pages = await asyncio.gather(*(database.query(slow, None, None, None) for _ in range(4)))
        assert [page.rows for page in pages] == [[[5000]]] * 4
        assert not killed & set(workers._idle)
    finally:
        await database.close()


async def test_processes_that_are_all_busy_are_told_as_such_with_the_option(shop: Path) -> None:
    endless = "SELECT count(*) FROM numbers a, numbers b, numbers c"
    async with client(shop, connections=1, timeout=0.5) as session:
        await session.call_tool("query", {"sql": "SELECT count(*) FROM numbers"})
        answers = await asyncio.gather(*(failing(session, "query", sql=endless) for _ in range(6)))
    crowded = [text for text in answers if text.startswith("All 1 processes for statements are busy")]
    assert 0 < len(crowded) < 6 and all("--connections" in text for text in crowded)


async def test_processes_that_do_not_start_are_told_as_such(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.servers.sql.sqlite_workers.environment", lambda: {"PYTHONHOME": str(shop)})
    async with client(shop) as session:
        assert "ended before it began" in await failing(session, "query", sql="SELECT count(*) FROM numbers")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ('SELECT "item" FROM orders WHERE id = 1', [["tea"]]),
        ('SELECT "ITEM", "rowid" FROM orders ORDER BY "id" LIMIT 1', [["tea", 1]]),
        ('SELECT item AS "What?" FROM orders ORDER BY "what?" LIMIT 1', [["cup"]]),
        ('SELECT "a b" FROM "odd "" name"', [["x"]]),
        ('SELECT "count(*)" FROM (SELECT count(*) FROM orders)', [[3]]),
        ("SELECT \"value\" FROM json_each('[1]')", [[1]]),
        ("SELECT count(*) FROM notes WHERE \"notes\" MATCH 'tea'", [[1]]),
        ('SELECT count(*) FROM "sqlite_schema" WHERE "name" = \'orders\'', [[1]]),
        ("SELECT 'a\"b'", [['a"b']]),
    ],
)
async def test_a_name_in_double_quotes_is_a_column(shop: Path, sql: str, rows: list[list[Any]]) -> None:
    async with client(shop) as session:
        result = await session.call_tool("query", {"sql": sql})
    assert not result.is_error and result.structured["rows"] == rows, result.text


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT "nosuch" FROM orders',
        'SELECT count(*) FROM orders WHERE item = "nosuch"',
        'SELECT o.item FROM orders o JOIN customers c ON c.id = o.customer WHERE "nosuch" = c.name',
        'SELECT "nosuch"',
    ],
)
async def test_a_name_in_double_quotes_that_is_no_column_is_not_taken_for_a_text(shop: Path, sql: str) -> None:
    async with client(shop) as session:
        for tool in ("query", "explain"):
            text = await failing(session, tool, sql=sql)
            assert text.startswith("There is no column 'nosuch'. Texts stand in single quotes")
