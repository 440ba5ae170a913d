"""Statements that want to write, to get out, or to read what is denied: none succeeds, and each wall stands alone."""

# ruff: noqa: E501  statements stand on one line

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail import Client
from dovetail.servers.sql import Settings, make, statements
from dovetail.servers.sql.cells import Rows
from dovetail.servers.sql.sqlite_reader import Asked, Reader
from dovetail.servers.sql.statements import Statement

CANARY = "CANARY-4929"
DENIED = ("customers.card", "secrets")

WRITES = [
    "INSERT INTO orders(customer, item) VALUES (1, 'x')",
    "INSERT OR REPLACE INTO orders(id, customer) VALUES (1, 1)",
    "REPLACE INTO orders(id, customer) VALUES (1, 1)",
    "UPDATE orders SET price = 0",
    "UPDATE OR IGNORE orders SET price = 0",
    "DELETE FROM orders",
    "dElEtE fRoM orders",
    "DROP TABLE orders",
    "DROP VIEW bills",
    "DROP INDEX by_customer",
    "CREATE TABLE x(a)",
    "CREATE TEMP TABLE x(a)",
    "CREATE TABLE x AS SELECT * FROM orders",
    "CREATE VIEW x AS SELECT 1",
    "CREATE TEMP VIEW x AS SELECT 1",
    "CREATE TRIGGER t AFTER INSERT ON orders BEGIN DELETE FROM customers; END",
    "CREATE TEMP TRIGGER t AFTER INSERT ON orders BEGIN DELETE FROM customers; END",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "CREATE VIRTUAL TABLE temp.x USING fts5vocab('main', 'found', 'row')",
    "CREATE INDEX x ON orders(price)",
    "ALTER TABLE orders RENAME TO x",
    "ALTER TABLE orders ADD COLUMN x",
    "ALTER TABLE orders DROP COLUMN price",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "VACUUM INTO '/tmp/dovetail-vacuum.db'",
    "ATTACH '/tmp/dovetail-attach.db' AS x",
    "ATTACH DATABASE ':memory:' AS x",
    "DETACH main",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "RELEASE a",
    "PRAGMA writable_schema = 1",
    "PRAGMA query_only = 0",
    "PRAGMA main.query_only(0)",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version = 7",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA trusted_schema = 1",
    "PRAGMA hard_heap_limit = 0",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA optimize",
    "pragma\tuser_version=7",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1;;DELETE FROM orders;",
    "SELECT 1 -- \n; DELETE FROM orders",
    "SELECT 1 /* */ ; /* */ DELETE FROM orders",
    "/* SELECT */ DELETE FROM orders",
    "-- SELECT 1\nDELETE FROM orders",
    "/*! DELETE FROM orders */ DELETE FROM orders",
    "\ufeffDELETE FROM orders",
    "\u00a0DELETE FROM orders",
    "\u2003SELECT 1; DELETE FROM orders",
    "(DELETE FROM orders)",
    "((DELETE FROM orders RETURNING *))",
    "DELETE FROM orders RETURNING *",
    "INSERT INTO orders(customer, item) VALUES (1, 'x') RETURNING id",
    "UPDATE orders SET price = 1 RETURNING *",
    "WITH x AS (SELECT 1) DELETE FROM orders",
    "WITH x AS (SELECT 1) INSERT INTO orders(customer, item) SELECT 1, 'x' FROM x",
    "WITH x AS (SELECT 1) UPDATE orders SET price = 1",
    "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO orders(customer) VALUES (1) RETURNING *) SELECT * FROM x",
    "SELECT * FROM (DELETE FROM orders RETURNING *)",
    "SELECT * INTO x FROM orders",
    "SELECT (DELETE FROM orders)",
    "EXPLAIN DELETE FROM orders",
    "EXPLAIN QUERY PLAN DELETE FROM orders",
    "EXPLAIN SELECT 1",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT load_extension('/tmp/x.so', 'entry')",
    "SELECT LOAD_EXTENSION ('/tmp/x')",
    "SELECT \"load_extension\"('/tmp/x')",
    "SELECT [load_extension]('/tmp/x')",
    "SELECT `load_extension`('/tmp/x')",
    "SELECT load_extension/**/('/tmp/x')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('x', x'0000000000000000')",
    "SELECT writefile('/tmp/dovetail-write', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT edit('x', 'vi')",
    "SELECT * FROM readfile('/etc/passwd')",
    "INSERT INTO notes(notes) VALUES ('rebuild')",
    "INSERT INTO notes(notes, rank) VALUES ('merge', 5)",
    "INSERT INTO notes_data VALUES (1, x'00')",
    "DELETE FROM notes_content",
    "UPDATE boxes_node SET data = x'00'",
    "INSERT INTO boxes VALUES (9, 1, 2)",
    "DELETE FROM sqlite_sequence",
    "UPDATE sqlite_schema SET sql = 'x'",
    "DELETE FROM sqlite_master",
    "INSERT INTO sqlite_stat1 VALUES ('a', 'b', 'c')",
    "SELECT * FROM pragma_writable_schema",
    "SELECT * FROM pragma_user_version(7)",
    "SELECT * FROM pragma_journal_mode('delete')",
    "SELECT * FROM pragma_query_only(0)",
    "SELECT * FROM orders FOR UPDATE; DELETE FROM orders",
    "VALUES (1); DELETE FROM orders",
    "SELECT 'a;b'; DELETE FROM orders",
    "SELECT \"a'b\"; DELETE FROM orders --'",
    "SELECT 'it''s'; DELETE FROM orders",
    "SELECT x'00'; DELETE FROM orders",
    "\0SELECT 1",
    "SELECT 1\0; DELETE FROM orders",
    "CALL delete_all()",
    "COPY orders TO '/tmp/x'",
    "SET x = 1",
    "GRANT ALL ON orders TO bob",
    "TRUNCATE orders",
    "MERGE INTO orders USING customers ON 1 = 1 WHEN MATCHED THEN DELETE",
]

READS = [
    "SELECT * FROM customers",
    "SELECT card FROM customers",
    'SELECT "card" FROM customers',
    "SELECT [card] FROM customers",
    "SELECT `card` FROM customers",
    "SELECT CARD FROM CUSTOMERS",
    "SELECT customers.card FROM customers",
    "SELECT main.customers.card FROM main.customers",
    "SELECT c.card FROM customers AS c",
    "SELECT c.* FROM customers c",
    "SELECT tail FROM customers",
    "SELECT x.a FROM (SELECT card AS a FROM customers) x",
    "SELECT * FROM (SELECT * FROM customers)",
    "WITH x AS (SELECT * FROM customers) SELECT * FROM x",
    "WITH customers AS (SELECT * FROM main.customers) SELECT * FROM customers",
    "WITH x(a, b, c, d, e) AS (SELECT * FROM customers) SELECT d FROM x",
    "SELECT (SELECT card FROM customers LIMIT 1)",
    "SELECT name FROM customers ORDER BY card",
    "SELECT name FROM customers ORDER BY 1, card DESC",
    "SELECT count(*) FROM customers GROUP BY card",
    "SELECT name FROM customers WHERE card LIKE 'CANARY%'",
    "SELECT count(*) FROM customers WHERE card > 'C'",
    "SELECT max(card) FROM customers",
    "SELECT group_concat(card) FROM customers",
    "SELECT hex(card) FROM customers",
    "SELECT length(card) FROM customers",
    "SELECT name, card IS NULL FROM customers",
    "SELECT name FROM customers GROUP BY name HAVING max(card) > ''",
    "SELECT sum(1) OVER (PARTITION BY card) FROM customers",
    "SELECT row_number() OVER (ORDER BY card), name FROM customers",
    "SELECT CASE WHEN card > 'C' THEN 1 END FROM customers",
    "SELECT json_object('c', card) FROM customers",
    "SELECT json_group_array(card) FROM customers",
    "SELECT value FROM customers, json_each(json_array(card))",
    "SELECT value FROM customers, json_each(customers.card)",
    "SELECT fullkey FROM customers c, json_tree(json_quote(c.card), '$') j",
    "SELECT (SELECT group_concat(value) FROM json_each(json_array(customers.card))) FROM customers",
    "SELECT value FROM json_each((SELECT json_array(card) FROM customers))",
    "SELECT count(*) FROM json_each((SELECT json_group_array(what) FROM secrets))",
    "SELECT value FROM json_each WHERE json = (SELECT json_group_array(card) FROM customers)",
    "SELECT json FROM json_tree JOIN customers ON json = json_quote(card)",
    "SELECT 1 FROM customers LEFT JOIN json_each('[]', card) j",
    "SELECT j.value FROM json_each('[1]') j JOIN customers ON j.value = card",
    "SELECT name FROM customers WHERE EXISTS (SELECT 1 FROM json_each(json_quote(card)) WHERE value > 'C')",
    "SELECT 1 FROM customers a JOIN customers b ON a.card = b.card",
    "SELECT count(*) FROM customers NATURAL JOIN (SELECT 'CANARY-4929-A' AS card)",
    "SELECT count(*) FROM customers NATURAL JOIN ci",
    "SELECT count(*) FROM (SELECT 'CANARY-4929-A' AS card) NATURAL LEFT JOIN customers",
    "SELECT count(*) FROM customers JOIN (SELECT 'CANARY-4929-A' AS card) USING (card)",
    "SELECT count(*) FROM customers JOIN (SELECT 'CANARY-4929-A' AS card) USING (\"card\")",
    "SELECT count(*) FROM customers JOIN (SELECT 'CANARY-4929-A' AS card) USING ([CARD])",
    "SELECT count(*) FROM customers JOIN (SELECT 'CANARY-4929-A' AS card) USING ('card')",
    "SELECT count(*) FROM customers JOIN (SELECT 'CANARY-4929-A' AS tail) USING (tail)",
    "SELECT count(*) FROM ci JOIN customers USING (card)",
    "SELECT count(*) FROM customers FULL JOIN ci USING (card)",
    "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer JOIN ci USING (card)",
    "SELECT 'CANARY-4929-A' IN (SELECT card FROM customers)",
    "SELECT 'CANARY-4929-S' IN secrets",
    "SELECT (1, 'CANARY-4929-S') IN secrets",
    "SELECT (1, 'Ann', 'Bonn', 'CANARY-4929-A', 'x') IN customers",
    "SELECT EXISTS (SELECT 1 FROM customers WHERE card = 'CANARY-4929-A')",
    "SELECT name FROM customers UNION SELECT card FROM customers",
    "SELECT name FROM customers EXCEPT SELECT card FROM customers",
    "VALUES ((SELECT card FROM customers LIMIT 1))",
    "SELECT * FROM cards",
    "SELECT name FROM cards",
    "SELECT count(*) FROM cards",
    "SELECT * FROM cards_again",
    "SELECT * FROM opened",
    "SELECT * FROM secrets",
    "SELECT what FROM secrets",
    "SELECT count(*) FROM secrets",
    "SELECT 1 FROM secrets",
    "SELECT 1 FROM main.secrets",
    'SELECT 1 FROM "secrets"',
    "SELECT 1 FROM 'secrets'",
    "SELECT rowid FROM secrets",
    "SELECT 1 FROM Secrets AS s",
    "SELECT s.what FROM orders, secrets s",
    "SELECT (SELECT what FROM secrets)",
    "WITH secrets AS (SELECT * FROM main.secrets) SELECT * FROM secrets",
    "SELECT * FROM found",
    "SELECT what FROM found WHERE found MATCH 'CANARY*'",
    "SELECT highlight(found, 0, '<', '>') FROM found WHERE found MATCH 'canary'",
    "SELECT count(*) FROM found WHERE found MATCH 'canary'",
    "SELECT * FROM found_data",
    "SELECT * FROM found_idx",
    "SELECT * FROM found_docsize",
    "SELECT * FROM terms",
    "SELECT * FROM sqlite_master",
    "SELECT sql FROM sqlite_schema",
    "SELECT * FROM sqlite_stat1",
    "SELECT * FROM sqlite_stat4",
    "SELECT * FROM dbstat",
    "SELECT * FROM sqlite_dbpage",
    "SELECT * FROM sqlite_stmt",
    "SELECT * FROM pragma_table_info('secrets')",
    "SELECT * FROM pragma_table_xinfo('customers')",
    "SELECT * FROM pragma_index_xinfo('by_card')",
    "SELECT * FROM pragma_table_list",
    "SELECT * FROM temp.sqlite_master",
    "SELECT snippet(found, 0, '', '', '', 64) FROM found",
    "SELECT bm25(found) FROM found",
]

ALLOWED = [
    "SELECT id, name, city FROM customers",
    "SELECT count(*) FROM customers",
    "SELECT c.name, o.item FROM customers c JOIN orders o ON o.customer = c.id",
    "SELECT * FROM orders",
    "SELECT * FROM bills",
    "SELECT * FROM notes",
    "WITH x AS (SELECT name FROM customers) SELECT * FROM x",
    "SELECT * FROM orders o JOIN boxes b USING (id)",
    "SELECT 'card', \"name\" FROM customers",
    "SELECT c.name, j.value FROM customers c, json_each(json_array(c.city)) j",
    "SELECT * FROM json_tree('{\"card\": 1}')",
]


def test_the_corpora_are_large_enough() -> None:
    assert len(set(WRITES)) >= 80
    assert len(set(READS)) >= 80


def state(path: Path) -> tuple[str, list[str]]:
    """What must not change: the bytes of the file, and what stands beside it."""
    return hashlib.sha256(path.read_bytes()).hexdigest(), sorted(one.name for one in path.parent.iterdir())


@pytest.mark.parametrize("denied", [(), DENIED])
@pytest.mark.timeout(60)
async def test_no_statement_writes(shop: Path, denied: tuple[str, ...]) -> None:
    before = state(shop)
    passed = []
    async with Client(make(Settings(url=str(shop), deny=denied, poll=0))) as session:
        for sql in WRITES:
            for tool in ("query", "explain"):
                result = await session.call_tool(tool, {"sql": sql})
                # A BOM, or other blanks, may well be skipped: what counts is that nothing was written.
                if not result.is_error:
                    passed.append((tool, sql))
                assert CANARY not in result.text
        assert state(shop) == before
    assert passed == []
    assert glob("/tmp/dovetail-[avw]*") == []


@pytest.mark.timeout(60)
async def test_no_statement_reads_what_is_denied(shop: Path) -> None:
    passed = []
    async with Client(make(Settings(url=str(shop), deny=DENIED, poll=0))) as session:
        for sql in READS:
            for tool in ("query", "explain"):
                result = await session.call_tool(tool, {"sql": sql})
                if not result.is_error:
                    passed.append((tool, sql, result.text))
                assert CANARY.encode().hex() not in result.text.lower() and f"{CANARY}-" not in result.text.replace(
                    sql, ""
                )
    assert passed == []


async def test_what_is_not_denied_is_read_as_ever(shop: Path) -> None:
    async with Client(make(Settings(url=str(shop), deny=DENIED, poll=0))) as session:
        for sql in ALLOWED:
            result = await session.call_tool("query", {"sql": sql})
            assert not result.is_error, (sql, result.text)


async def test_the_canary_is_there_to_be_found(shop: Path) -> None:
    found = 0
    async with Client(make(Settings(url=str(shop), poll=0))) as session:
        for sql in READS:
            result = await session.call_tool("query", {"sql": sql})
            found += not result.is_error and CANARY in result.text
    assert found >= 30


async def test_denied_things_are_not_listed_described_or_suggested(shop: Path) -> None:
    async with Client(make(Settings(url=str(shop), deny=DENIED, allow_writes=True, poll=0))) as session:
        listed = {table["name"] for table in (await session.call_tool("list_tables")).structured["tables"]}
        described = await session.call_tool("describe_table", {"table": "customers"})
        secret = await session.call_tool("describe_table", {"table": "secrets"})
        nothing = await session.call_tool("describe_table", {"table": "sekretz"})
        column = await session.call_tool("query", {"sql": "SELECT crd FROM customers"})
        schema = await session.read_resource("sql://schema")
        written = await session.call_tool("delete", {"table": "customers", "where": {"card": "x"}})
    assert not listed & {"secrets", "opened", "found", "terms"}
    assert [column["name"] for column in described.structured["columns"]] == ["id", "name", "city"]
    assert "indexes" not in described.structured
    assert secret.text.replace("secrets", "") == nothing.text.replace("sekretz", "")
    assert column.text == "There is no column 'crd'. There are: id, name, city."
    tables = {table["name"]: table for table in json.loads(schema.contents[0].text or "")["tables"]}
    assert "card" not in str(tables.pop("customers"))
    assert "secrets" not in str(tables) and "CANARY" not in str(tables)
    assert written.text.startswith("There is no column 'card'")


def test_the_database_refuses_writing_without_the_parser(shop: Path) -> None:
    before = state(shop)
    passed = []
    reader = Reader(shop, [], busy=0.0, longest=1 << 20)
    for sql in WRITES:
        reader.within(1.0)
        try:
            reader.page(Asked(sql), 0, Rows([], 5, 100, 1000))
        except (sqlite3.Error, sqlite3.Warning, ValueError):
            continue
        passed.append(sql)
    reader.close()
    assert state(shop) == before
    assert [sql for sql in passed if not sql.startswith("EXPLAIN SELECT")] == []


async def test_what_the_server_asks_on_its_own_behalf_nobody_can_ask_by_the_same_words(shop: Path) -> None:
    own: list[str] = []
    async with Client(make(Settings(url=str(shop), deny=DENIED, poll=0))) as session:
        with recorded(own):
            for tool, arguments in (("list_tables", {}), ("describe_table", {"table": "orders"})):
                await session.call_tool(tool, arguments)
        assert len(own) > 5
        for sql in set(own) - {"SELECT 1"}:
            for params in ([], ["secrets"], ["customers"]):
                result = await session.call_tool("query", {"sql": sql, "params": params})
                assert result.is_error, sql


@contextmanager
def recorded(into: list[str]) -> Iterator[None]:
    """Hear what a connection is asked while it is trusted."""
    asked = Reader.asked

    def ask(self: Reader, sql: str, params: object = ()) -> list[tuple[object, ...]]:
        self.connection.set_trace_callback(into.append)
        into.append(sql)
        try:
            return asked(self, sql, params)
        finally:
            self.connection.set_trace_callback(None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "asked", ask)
        yield


async def test_the_parser_refuses_writing_without_the_database() -> None:
    passed = []
    for sql in WRITES:
        try:
            statements.read(sql, "sqlite")
        except Exception as error:
            assert type(error).__name__ == "ToolError"
        else:
            passed.append(sql)
    # What is left calls a function, or reads a table: the authorizer's part.
    assert all("(" in sql or "pragma_" in sql for sql in passed)


async def test_with_the_parser_out_of_the_way_denied_columns_stay_denied(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = Statement("", None, frozenset(), frozenset(), False, False)
    monkeypatch.setattr(statements, "read", lambda sql, dialect: blind)
    got_through = []
    async with Client(make(Settings(url=str(shop), deny=DENIED, poll=0))) as session:
        for sql in READS:
            result = await session.call_tool("query", {"sql": sql})
            if not result.is_error:
                got_through.append(sql)
    # SQLite asks its authorizer for everything but what NATURAL and USING compare; nothing else may get through.
    assert got_through and all("NATURAL" in sql or "USING" in sql for sql in got_through)


PIECES = [
    "SELECT", "DELETE FROM orders", "INSERT INTO ci VALUES (1)", "card", "*", "customers", "secrets", "FROM", "WHERE",
    "WITH x AS (", ")", "(", ",", ";", "--", "/*", "*/", "'", '"', "[", "]", "`", "NATURAL JOIN", "USING (card)", "UNION",
    "orders", "name", "1", "AS c", "c.", "x", "PRAGMA query_only=0", "ATTACH", "x'00'", "\n", "\0", "max(", "IN", "cards",
    "found", "MATCH", "'canary'", "id", "JOIN", "ON 1=1", "ORDER BY", "GROUP BY", "EXISTS", "VALUES", "RETURNING", "ci",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.timeout(60)
def test_statements_put_together_from_pieces_write_and_leak_nothing(shop: Path, pieces: list[str]) -> None:
    sql = " ".join(pieces)
    before = state(shop)
    text = _ask(shop, sql)
    assert state(shop) == before
    assert CANARY not in text


def _ask(shop: Path, sql: str) -> str:
    with Client.connect_sync(make(Settings(url=str(shop), deny=DENIED, poll=0, timeout=1))) as session:
        return session.call_tool("query", {"sql": sql}).text
