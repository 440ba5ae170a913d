"""PostgreSQL, as a superuser: nothing writes, waits, locks, looks beyond the tables, or reads what is denied."""

# ruff: noqa: E501  statements stand on one line

from pathlib import Path
from re import sub
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail import Client
from dovetail.servers.sql import Settings, make
from dovetail.servers.sql.postgres_checking import Checked, Checker

CANARY = "CANARY-4929"
DENIED = ("customers.card", "secrets", "measures.card")
pytestmark = pytest.mark.timeout(60)  # the first one waits for the server to start

WRITES = [
    "INSERT INTO orders(customer, item) VALUES (1, 'x')",
    "UPDATE orders SET price = 0",
    "DELETE FROM orders",
    "DELETE FROM ONLY orders",
    "TRUNCATE orders",
    "MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE",
    "DROP TABLE orders CASCADE",
    "CREATE TABLE x(a int)",
    "CREATE TEMP TABLE x(a int)",
    "CREATE TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION dblink",
    "ALTER TABLE orders ADD COLUMN x int",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "ALTER ROLE postgres SET work_mem = '1MB'",
    "CREATE ROLE evil SUPERUSER",
    "GRANT ALL ON orders TO PUBLIC",
    "REINDEX TABLE orders",
    "VACUUM orders",
    "ANALYZE orders",
    "CLUSTER",
    "CHECKPOINT",
    "REFRESH MATERIALIZED VIEW kept",
    "LOCK TABLE orders",
    "COPY orders TO '/tmp/dovetail-copy'",
    "COPY orders FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'touch /tmp/dovetail-copy'",
    "COPY orders TO STDOUT",
    "DO $$ BEGIN DELETE FROM orders; END $$",
    "DO LANGUAGE plpgsql 'BEGIN DELETE FROM orders; END'",
    "CALL careless()",
    "EXECUTE x",
    "PREPARE x AS DELETE FROM orders",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH ALL FROM dovetail",
    "MOVE ALL FROM dovetail",
    "CLOSE dovetail",
    "DISCARD ALL",
    "LISTEN orders",
    "NOTIFY orders, 'x'",
    "UNLISTEN *",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "SET LOCAL statement_timeout = 0",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "RESET ALL",
    "RESET statement_timeout",
    "SHOW data_directory",
    "BEGIN READ WRITE",
    "COMMIT",
    "COMMIT AND CHAIN",
    "ROLLBACK",
    "SAVEPOINT a",
    "PREPARE TRANSACTION 'x'",
    "COMMENT ON TABLE orders IS 'x'",
    "SECURITY LABEL ON TABLE orders IS 'x'",
    "IMPORT FOREIGN SCHEMA public FROM SERVER x INTO public",
    "LOAD 'auto_explain'",
    "EXPLAIN DELETE FROM orders",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "EXPLAIN (ANALYZE, FORMAT JSON) DELETE FROM orders",
    "ANALYZE DELETE FROM orders",
    "ANALYZE SELECT careless()",
    "(ANALYZE) DELETE FROM orders",
    "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE orders SET price = 0 RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO orders(customer) VALUES (1) RETURNING *) TABLE x",
    "WITH x AS MATERIALIZED (DELETE FROM orders RETURNING 1) SELECT 1",
    "WITH a AS (WITH b AS (DELETE FROM orders RETURNING 1) SELECT * FROM b) SELECT * FROM a",
    "SELECT * FROM (DELETE FROM orders RETURNING *) x",
    "SELECT * INTO x FROM orders",
    "SELECT * INTO TEMP x FROM orders",
    "WITH y AS (SELECT 1) SELECT * INTO x FROM y",
    "SELECT * FROM orders FOR UPDATE",
    "SELECT * FROM orders FOR NO KEY UPDATE NOWAIT",
    "SELECT * FROM orders FOR SHARE SKIP LOCKED",
    "SELECT * FROM (SELECT * FROM orders FOR KEY SHARE) x",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1;;DELETE FROM orders",
    "SELECT 1 -- \n; DELETE FROM orders",
    "SELECT 1 /* /* */ ; */ ; DELETE FROM orders",
    "/* SELECT */ DELETE FROM orders",
    "-- SELECT 1\rDELETE FROM orders",
    "SELECT 'a;b'; DELETE FROM orders",
    "SELECT E'\\'; DELETE FROM orders; --'; DELETE FROM orders",
    "SELECT $$;$$; DELETE FROM orders",
    "SELECT $a$ $b$ $a$; DELETE FROM orders -- $b$",
    'SELECT "a""; "; DELETE FROM orders',
    "SELECT 1) AS _ LIMIT 0; DELETE FROM orders; --",
    "SELECT 1) AS _; COMMIT; DELETE FROM orders; SELECT * FROM (SELECT 1",
    "SELECT 1) x, (SELECT 2",
    "\u00a0DELETE FROM orders",
    "\ufeffDELETE FROM orders",
    "\uff24ELETE FROM orders",
    "DELETE FROM orders\0",
    "SELECT 1\0; DELETE FROM orders",
    "\\copy orders to '/tmp/dovetail-copy'",
]

CALLS = [
    "SELECT careless()",
    "SELECT public.careless()",
    'SELECT "careless" ()',
    "SELECT careless/* */()",
    "SELECT careless--\n()",
    "SELECT CARELESS()",
    "SELECT 1 WHERE careless() > 0",
    "SELECT * FROM careless()",
    "SELECT * FROM ROWS FROM (careless(), generate_series(1, 2))",
    "SELECT 1 ORDER BY careless()",
    "SELECT 1 LIMIT careless()",
    "SELECT count(*) FILTER (WHERE careless() > 0)",
    "SELECT CASE WHEN true THEN careless() END",
    "SELECT run_it('DELETE FROM orders RETURNING item')",
    "SELECT ('DELETE FROM orders RETURNING item'::text).run_it",
    "SELECT x.run_it FROM (SELECT 'a'::text) AS x(run_it), LATERAL (SELECT ('SELECT 1'::text).run_it) y",
    "SELECT nextval('tickets')",
    "SELECT setval('tickets', 99)",
    "SELECT ('tickets'::regclass).nextval",
    "SELECT currval('tickets')",
    "SELECT lastval()",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT set_config('statement_timeout', '0', false)",
    "SELECT pg_catalog.set_config('role', 'postgres', true)",
    "SELECT \"set_config\"('work_mem', '1GB', false)",
    "SELECT \"pg_catalog\".\"set_config\"('work_mem', '1GB', false)",
    "SELECT U&\"set\\005fconfig\"('work_mem', '1GB', false)",
    "SELECT U&\"set!005fconfig\" UESCAPE '!' ('work_mem', '1GB', false)",
    "SELECT current_setting('data_directory')",
    "SELECT pg_sleep(30)",
    "SELECT pg_sleep_for('30 seconds')",
    "SELECT pg_sleep_until('tomorrow')",
    "SELECT (30::float8).pg_sleep",
    'SELECT (30::float8)."pg_sleep"',
    "SELECT (s.x).pg_sleep FROM (SELECT 30::float8 AS x) s",
    "SELECT 1pg_sleep(30)",
    "SELECT 1.5pg_sleep(30)",
    "SELECT E'\\' /* ' || pg_sleep(30) --*/'",
    "SELECT E'x'\n'\\' || pg_sleep(30) || E'\\''",
    "SELECT $a$'$a$ || pg_sleep(30)::text || $a$'$a$",
    "SELECT /* /* */ pg_sleep(30) */ pg_sleep(30)",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT ('/etc/passwd'::text).pg_read_file",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT pg_ls_logdir()",
    "SELECT pg_current_logfile()",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(424242, '/tmp/dovetail-lo')",
    "SELECT lo_get(424242)",
    "SELECT (424242::oid).lo_get",
    "SELECT lo_creat(-1)",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_put(424242, 0, 'x')",
    "SELECT lo_unlink(424242)",
    "SELECT lo_open(424242, 131072)",
    "SELECT loread(0, 10)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_advisory_xact_lock(1, 2)",
    "SELECT (1::int8).pg_advisory_lock",
    "SELECT pg_advisory_unlock_all()",
    "SELECT pg_notify('a', 'b')",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_logical_emit_message(true, 'a', 'b')",
    "SELECT pg_export_snapshot()",
    "SELECT pg_stat_reset()",
    "SELECT txid_current()",
    "SELECT pg_current_xact_id()",
    "SELECT query_to_xml('DELETE FROM orders RETURNING 1', true, true, '')",
    "SELECT query_to_xml('SELECT pg_read_file(''/etc/passwd'')', true, true, '')",
    "SELECT table_to_xml('orders', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT schema_to_xml('public', true, true, '')",
    "SELECT cursor_to_xml('dovetail', 1, true, true, '')",
    "SELECT ts_stat('SELECT to_tsvector(what) FROM secrets')",
    "SELECT * FROM ts_stat('SELECT to_tsvector(what) FROM secrets')",
    "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery')",
    "SELECT dblink('dbname=shop', 'DELETE FROM orders')",
    "SELECT * FROM dblink('dbname=shop', 'SELECT 1') AS t(a int)",
    "SELECT crosstab('SELECT 1, 2, 3')",
    "SELECT pg_get_functiondef('peek'::regproc)",
    "SELECT pg_get_viewdef('opened')",
    "SELECT inet_server_addr()",
    "SELECT pg_conf_load_time()",
    "SELECT * FROM pg_authid",
    "SELECT rolpassword FROM pg_catalog.pg_authid",
    'SELECT * FROM "pg_authid"',
    "SELECT * FROM PG_SHADOW",
    "SELECT * FROM pg_stat_activity",
    "SELECT * FROM pg_settings",
    "SELECT * FROM pg_file_settings",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_largeobject",
    "SELECT data FROM pg_catalog.pg_largeobject",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM pg_stats",
    "SELECT * FROM pg_prepared_statements",
    "SELECT * FROM pg_cursors",
    "SELECT * FROM pg_locks",
    "SELECT * FROM pg_user_mappings",
]

READS = [
    "SELECT card FROM customers",
    'SELECT "card" FROM customers',
    "SELECT CARD FROM CUSTOMERS",
    "SELECT customers.card FROM customers",
    "SELECT public.customers.card FROM public.customers",
    "SELECT shop.public.customers.card FROM shop.public.customers",
    "SELECT c.card FROM ONLY customers AS c",
    "SELECT card FROM customers *",
    "SELECT tail FROM customers",
    "SELECT * FROM customers",
    "SELECT c.* FROM customers c",
    "SELECT (c).* FROM customers c",
    "SELECT (c).card FROM customers c",
    "SELECT (c.*).card FROM customers c",
    "SELECT customers FROM customers",
    "SELECT c FROM customers c",
    "SELECT c::text FROM customers c",
    "SELECT ROW(c.*) FROM customers c",
    "SELECT to_json(c) FROM customers c",
    "SELECT row_to_json(c) FROM customers c",
    "SELECT c.to_json FROM customers c",
    "SELECT c.row_to_json FROM customers c",
    "SELECT to_jsonb(customers) - 'id' FROM customers",
    "SELECT json_agg(c) FROM customers c",
    "SELECT array_agg(c) FROM customers c",
    "SELECT array_agg(c.*)::text FROM customers c",
    "SELECT string_agg(c::text, ',') FROM customers c",
    "SELECT hstore(c) FROM customers c",
    "SELECT format('%s', c) FROM customers c",
    "SELECT concat(c) FROM customers c",
    "SELECT c || '' FROM customers c",
    "SELECT max(c::text) FROM customers c",
    "SELECT x.a FROM (SELECT card AS a FROM customers) x",
    "SELECT * FROM (SELECT * FROM customers) x",
    "SELECT * FROM (TABLE customers) x",
    "TABLE customers",
    "TABLE ONLY customers",
    "WITH x AS (SELECT * FROM customers) SELECT * FROM x",
    "WITH x AS (TABLE customers) TABLE x",
    "WITH customers AS (SELECT * FROM public.customers) SELECT * FROM customers",
    "WITH customers AS (SELECT * FROM customers) SELECT * FROM customers",
    "WITH RECURSIVE customers AS (SELECT 1 AS card UNION SELECT 2) SELECT c.card FROM public.customers c",
    "WITH x AS (WITH customers AS (SELECT 1) SELECT * FROM customers) SELECT card FROM customers",
    'WITH "Customers" AS (SELECT 1) SELECT card FROM "customers", "Customers"',
    "SELECT * FROM customers AS c(a, b, c, d, e)",
    "SELECT d FROM customers AS c(a, b, c, d)",
    "SELECT c.d FROM (SELECT * FROM customers) AS c(a, b, c, d, e)",
    "SELECT name FROM customers ORDER BY card",
    "SELECT count(*) FROM customers GROUP BY card",
    "SELECT name FROM customers WHERE card LIKE 'CANARY%'",
    "SELECT name FROM customers WHERE customers.card > 'C'",
    "SELECT name FROM customers WHERE customers::text LIKE '%CANARY%'",
    "SELECT sum(1) OVER (PARTITION BY card) FROM customers",
    "SELECT sum(1) OVER w FROM customers WINDOW w AS (ORDER BY card)",
    "SELECT DISTINCT ON (card) name FROM customers",
    "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY card) FROM customers",
    "SELECT 1 FROM customers a JOIN customers b ON a.card = b.card",
    "SELECT count(*) FROM customers JOIN (SELECT 'CANARY-4929-A' AS card) x USING (card)",
    'SELECT count(*) FROM customers JOIN (SELECT \'CANARY-4929-A\' AS "card") x USING ("card")',
    "SELECT x.card FROM orders o CROSS JOIN LATERAL (SELECT * FROM customers c WHERE c.id = o.customer) x",
    "SELECT (SELECT card FROM customers LIMIT 1)",
    "SELECT ARRAY(SELECT card FROM customers)",
    "SELECT 'CANARY-4929-A' IN (SELECT card FROM customers)",
    "SELECT 'CANARY-4929-A' = ANY (SELECT card FROM customers)",
    "SELECT (1, 'Ann', 'Bonn', 'CANARY-4929-A', 'CANARY-4929-A') IN (SELECT * FROM customers)",
    "SELECT EXISTS (SELECT 1 FROM customers WHERE card = 'CANARY-4929-A')",
    "SELECT name FROM customers UNION ALL SELECT card FROM customers",
    "VALUES ((SELECT card FROM customers LIMIT 1))",
    "SELECT * FROM customers TABLESAMPLE BERNOULLI (100)",
    "SELECT * FROM (customers CROSS JOIN orders)",
    "SELECT * FROM (customers c JOIN orders o ON o.customer = c.id) AS j",
    "SELECT j FROM (customers c JOIN orders o ON o.customer = c.id) AS j",
    "SELECT * FROM cards",
    "SELECT name FROM cards",
    "SELECT * FROM cards_again",
    "SELECT * FROM rows_whole",
    "SELECT * FROM kept",
    "SELECT * FROM peeked",
    "SELECT * FROM opened",
    "SELECT peek()",
    "SELECT card_of(c) FROM customers c",
    "SELECT c.card_of FROM customers c",
    "SELECT (c).card_of FROM customers c",
    "SELECT card FROM measures",
    "SELECT card FROM measures_low",
    "SELECT m FROM measures m",
    "SELECT * FROM measures_low",
    "SELECT * FROM secrets",
    "SELECT what FROM public.secrets",
    "SELECT count(*) FROM secrets",
    'SELECT 1 FROM "secrets"',
    "SELECT 1 FROM SECRETS AS s",
    "SELECT s FROM orders, secrets s",
    "SELECT * FROM orders NATURAL JOIN secrets",
    "SELECT (SELECT what FROM secrets)",
    "WITH secrets AS (SELECT * FROM public.secrets) SELECT * FROM secrets",
    "WITH secrets AS (SELECT 1) SELECT * FROM public.secrets",
    'SELECT * FROM U&"secret\\0073"',
    "SELECT * FROM U&\"se!0063rets\" UESCAPE '!'",
    "SELECT * FROM /* */ secrets --",
    "SELECT * FROM orders, LATERAL (TABLE secrets) s",
    "SELECT table_to_xml('secrets', true, true, '')",
    "SELECT query_to_xml('TABLE secrets', true, true, '')",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM pg_class",
    "SELECT * FROM pg_catalog.pg_attribute",
    "SELECT * FROM pg_stats",
    'SELECT * FROM "information_schema"."views"',
    "SELECT * FROM customers_id_seq",
    "SELECT NULL::customers",
    "SELECT * FROM json_populate_record(NULL::customers, '{}')",
    "SELECT lo_get(424242)",
]

TELLING = [
    "SELECT to_json(json_populate_record({type}, '{{}}'))",
    "SELECT to_jsonb(pg_catalog.jsonb_populate_record({type}, '{{}}'))",
    "SELECT to_json(json_populate_recordset({type}, '[{{}}]'))",
    "SELECT * FROM json_to_record('{{}}') AS x(a {name})",
    "SELECT {type}",
    "SELECT NULL::public.{name}",
    "SELECT NULL::{name}[]",
    "SELECT NULL::_{name}",
    "SELECT to_json({type})",
    "SELECT ({type}).card",
    "SELECT '{name}'::regclass",
    "SELECT '{name}'::\"regclass\"",
    "SELECT '{name}'::pg_catalog.regclass",
    "SELECT ARRAY['{name}']::regclass[]",
    "SELECT '{{{name}}}'::_regclass",
    "SELECT regclass '{name}'",
    "SELECT regclass('{name}'::text)",
    "SELECT CAST('{name}' AS regtype)",
    "SELECT '{name}'::regtype::oid",
    "SELECT to_regclass('{name}')",
    "SELECT to_regtype('{name}')",
    "SELECT has_table_privilege('{name}', 'select')",
    "SELECT has_column_privilege('{name}', 'card', 'select')",
    "SELECT has_any_column_privilege('{name}', 'select')",
    "SELECT row_security_active('{name}')",
    "SELECT obj_description(1, '{name}')",
    "SELECT col_description(1, 1)",
    "SELECT format_type(1, 1)",
]


async def test_no_statement_tells_whether_something_is_denied_or_not_there(postgres: str) -> None:
    async with Client(make(Settings(url=postgres, deny=DENIED, timeout=5))) as session:
        for sql in TELLING:
            told = []
            for name in ("secrets", "cards", "customers", "nothing_is_so"):
                asked = sql.format(name=name, type=f"NULL::{name}")
                result = await session.call_tool("query", {"sql": asked})
                assert result.is_error, (asked, result.text)
                told.append(sub(r"column \d+", "", result.text.replace(name, "NAME")))
            assert len(set(told)) == 1, (sql, told)
        for sql in ("SELECT '1'::int4", "SELECT 'a'::citex", "SELECT '2026-01-01'::date", "SELECT '{}'::jsonb"):
            assert (await session.call_tool("query", {"sql": sql})).is_error is (sql == "SELECT 'a'::citex")


def test_the_corpora_are_large_enough() -> None:
    assert len(set(WRITES)) >= 80 and len(set(CALLS)) >= 80 and len(set(READS)) >= 80


_STATE = """
SELECT (SELECT md5(string_agg(o::text, '|' ORDER BY id)) FROM orders o),
    (SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM customers c),
    (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_roles),
    (SELECT count(*) FROM pg_attribute), (SELECT count(*) FROM pg_description), (SELECT count(*) FROM pg_extension),
    (SELECT md5(string_agg(l::text, '|' ORDER BY loid, pageno)) FROM pg_largeobject l),
    (SELECT row(last_value, is_called)::text FROM tickets),
    (SELECT row(last_value, is_called)::text FROM orders_id_seq),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), (SELECT count(*) FROM pg_prepared_xacts),
    (SELECT md5(string_agg(s::text, '|')) FROM pg_db_role_setting s)
"""


def state(url: str) -> Any:
    """What must not change: rows, things, large objects, sequences, locks, settings; and files that were named."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(_STATE).fetchone()
    return row, sorted(str(path) for path in Path("/tmp").glob("dovetail-[cl]o*"))


async def outcome(session: Client, corpus: list[str]) -> list[tuple[str, str, str]]:
    """Run all; return what was not refused."""
    passed = []
    for sql in corpus:
        for tool in ("query", "explain"):
            result = await session.call_tool(tool, {"sql": sql})
            if not result.is_error:
                passed.append((tool, sql, result.text))
    return passed


@pytest.mark.parametrize("denied", [(), DENIED])
@pytest.mark.timeout(120)
async def test_no_statement_writes_waits_or_looks_beyond_the_tables(postgres: str, denied: tuple[str, ...]) -> None:
    before = state(postgres)
    async with Client(make(Settings(url=postgres, deny=denied, timeout=5))) as session:
        passed = await outcome(session, [*WRITES, *CALLS])
        settings_after = await session.call_tool("query", {"sql": "SELECT count(*) FROM orders"})
    assert passed == []
    assert state(postgres) == before
    assert settings_after.structured["rows"] == [[3]]


@pytest.mark.timeout(120)
async def test_no_statement_reads_what_is_denied(postgres: str) -> None:
    async with Client(make(Settings(url=postgres, deny=DENIED, timeout=5))) as session:
        for sql in READS:
            for tool in ("query", "explain"):
                result = await session.call_tool(tool, {"sql": sql})
                text = result.text.replace("\\u0027", "'")
                assert CANARY not in text, (sql, text)
                if not result.is_error:
                    # What is answered is answered without the column: neither its name nor its number of values.
                    assert "card" not in text.replace("cards", "") and "tail" not in text, (sql, text)


async def test_what_only_compares_denied_values_is_refused(postgres: str) -> None:
    marks = ("CANARY-4929-A", "LIKE", "ORDER BY card", "GROUP BY card", "> 'C'", "BY card", "secrets")
    oracles = [sql for sql in READS if any(mark in sql for mark in marks)]
    assert len(oracles) > 25
    allowed = {"SELECT name FROM customers WHERE customers::text LIKE '%CANARY%'"}  # a row is what may be read of it
    async with Client(make(Settings(url=postgres, deny=DENIED, timeout=5))) as session:
        for sql in oracles:
            result = await session.call_tool("query", {"sql": sql})
            if sql in allowed:
                assert result.structured["rows"] == []
            else:
                assert result.is_error, (sql, result.text)
        natural = await session.call_tool(
            "query", {"sql": "SELECT count(*) FROM customers NATURAL JOIN (SELECT 'nothing' AS card) x"}
        )
    # Customers have no such column, as far as anybody can tell: everything fits.
    assert natural.structured["rows"] == [[3]]


async def test_the_canary_is_there_to_be_found(postgres: str) -> None:
    found = 0
    async with Client(make(Settings(url=postgres, timeout=5))) as session:
        for sql in READS:
            result = await session.call_tool("query", {"sql": sql})
            found += not result.is_error and CANARY in result.text
    assert found >= 50


async def test_denied_things_are_not_listed_described_or_suggested(postgres: str) -> None:
    server = make(Settings(url=postgres, deny=DENIED, allow_writes=True))
    async with Client(server) as session:
        listed = {table["name"] for table in (await session.call_tool("list_tables")).structured["tables"]}
        described = await session.call_tool("describe_table", {"table": "customers"})
        secret = await session.call_tool("describe_table", {"table": "secrets"})
        nothing = await session.call_tool("describe_table", {"table": "sekretz"})
        schema = await session.read_resource("sql://schema")
        written = await session.call_tool("delete", {"table": "customers", "where": {"card": "x"}})
    assert listed == {"audit.log", "bills", "customers", "measures", "numbers", '"odd "" name"', "orders"}
    assert [column["name"] for column in described.structured["columns"]] == ["id", "name", "city"]
    assert secret.text.replace("secrets", "") == nothing.text.replace("sekretz", "")
    assert "card" not in str(schema) and "secrets" not in str(schema) and "tail" not in str(schema)
    assert written.text.startswith("There is no column 'card'")


async def test_a_view_made_meanwhile_shows_nothing_that_is_denied(postgres: str) -> None:
    async with Client(make(Settings(url=postgres, deny=DENIED))) as session:
        await session.call_tool("query", {"sql": "SELECT 1"})
        with psycopg.connect(postgres, autocommit=True) as owner:
            owner.execute("CREATE VIEW fresh AS SELECT id, upper(card) AS u FROM customers")
            owner.execute("CREATE TABLE more PARTITION OF measures FOR VALUES FROM (10) TO (20)")
            owner.execute(f"INSERT INTO measures VALUES (11, '{CANARY}-N', 1)")
        for sql in ("SELECT * FROM fresh", "SELECT card FROM more", "SELECT u FROM public.fresh"):
            result = await session.call_tool("query", {"sql": sql})
            assert result.is_error and CANARY not in result.text


async def test_a_denied_name_that_is_misspelt_keeps_the_server_from_starting(
    postgres: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Exception, match="closed the connection"):
        async with Client(make(Settings(url=postgres, deny=("customers.crd",)))) as session:
            await session.list_tools()
    assert "the database has no 'customers.crd'; is it misspelt?" in caplog.text


async def test_the_transaction_refuses_writing_without_the_parser(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unchecked(self: Checker, connection: Any, sql: str, params: Any, denied: Any) -> Checked:
        return Checked(sql, [], False, frozenset())

    before = state(postgres)
    monkeypatch.setattr(Checker, "check", unchecked)
    calls = ["SELECT careless()", "SELECT nextval('tickets')", "SELECT lo_unlink(424242)", "SELECT lo_create(0)"]
    async with Client(make(Settings(url=postgres, timeout=2))) as session:
        for sql in [*WRITES, *calls]:
            await session.call_tool("query", {"sql": sql})
    assert state(postgres) == before


async def test_what_a_statement_did_to_its_session_is_gone_with_it(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unchecked(self: Checker, connection: Any, sql: str, params: Any, denied: Any) -> Checked:
        return Checked(sql, [], False, frozenset())

    with monkeypatch.context() as patch:
        patch.setattr(Checker, "check", unchecked)
        async with Client(make(Settings(url=postgres, timeout=2, connections=1))) as session:
            for name, value in (("statement_timeout", "0"), ("default_transaction_read_only", "off")):
                await session.call_tool("query", {"sql": f"SELECT set_config('{name}', '{value}', false)"})
            found = await session.call_tool(
                "query",
                {"sql": "SELECT current_setting('statement_timeout'), current_setting('transaction_read_only')"},
            )
    assert found.structured["rows"] == [["2s", "on"]]


PIECES = [
    "SELECT", "DELETE FROM orders", "card", "*", "customers", "secrets", "FROM", "WHERE", "WITH x AS (", ")", "(", ",",
    ";", "--", "/*", "*/", "'", '"', "$$", "$a$", "E'", "\\", "U&", "NATURAL JOIN", "USING (card)", "UNION", "orders",
    "name", "1", "AS c", "c.", "c", "x", "to_json(c)", "COMMIT", "pg_sleep(9)", "nextval('tickets')", "\n", "::text", ".",
    "careless()", "cards", "id", "JOIN", "ON true", "ORDER BY", "LATERAL", "EXISTS", "TABLE", "RETURNING *", "ONLY", "[1]",
    "peek()", "set_config('a.b','c',false)", "FOR UPDATE", "INTO y", "AS _", "LIMIT 0",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.timeout(120)
def test_statements_put_together_from_pieces_write_and_leak_nothing(postgres: str, pieces: list[str]) -> None:
    sql = " ".join(pieces)
    before = state(postgres)
    with Client.connect_sync(make(Settings(url=postgres, deny=DENIED, timeout=2))) as session:
        assert CANARY not in session.call_tool("query", {"sql": sql}).text
    assert state(postgres) == before
