"""Changing rows: asked every time, done once, and only as it was confirmed. On SQLite; PostgreSQL has its own file."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.servers.sql import Settings, make
from dovetail.servers.sql.changes import shown
from dovetail.servers.sql.sqlite_reader import opened

ERAS = pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])


class User:
    """Answers what is asked, and remembers it."""

    def __init__(self, agrees: bool = True) -> None:
        self.agrees = agrees
        self.asked: list[str] = []

    async def __call__(self, question: Any) -> dict[str, Any] | None:
        self.asked.append(question.message)
        return {} if self.agrees else None


def client(path: Path, user: User | None, revision: str = "2026-07-28", **settings: Any) -> Client:
    server = make(Settings(url=str(path), allow_writes=True, poll=0, **settings))
    return Client(server, on_elicit=user, revision=revision) if user else Client(server, revision=revision)


def orders(path: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT id, customer, item, price FROM orders ORDER BY id").fetchall()
    connection.close()
    return found


BEFORE = [(1, 1, "tea", 2.5), (2, 1, "cup", 4.0), (3, 2, "pot", 12.0)]


async def test_without_the_setting_there_is_no_tool_that_writes(shop: Path) -> None:
    async with Client(make(Settings(url=str(shop), poll=0))) as session:
        names = {tool.name for tool in await session.list_tools()}
    assert not names & {"insert", "update", "delete"}


@ERAS
async def test_rows_are_changed_when_the_user_agrees(shop: Path, revision: str) -> None:
    user = User()
    async with client(shop, user, revision) as session:
        inserted = await session.call_tool(
            "insert", {"table": "orders", "rows": [{"customer": 3, "item": "jug", "price": 7.5}]}
        )
        updated = await session.call_tool(
            "update", {"table": "orders", "values": {"price": 3}, "where": {"customer": 1, "item": ["tea", "cup"]}}
        )
        deleted = await session.call_tool("delete", {"table": "orders", "where": {"id": 3}})
    assert (inserted.structured, updated.structured, deleted.structured) == (
        {"table": "orders", "rows": 1},
        {"table": "orders", "rows": 2},
        {"table": "orders", "rows": 1},
    )
    assert orders(shop) == [(1, 1, "tea", 3.0), (2, 1, "cup", 3.0), (4, 3, "jug", 7.5)]
    assert user.asked == [
        'Insert 1 row into orders?\ncustomer: 3, item: "jug", price: 7.5',
        'Update 2 rows of orders?\nSet price: 3\nwhere customer: 1, item: "tea" or "cup"\n'
        "Triggers and foreign keys of the database may change more.",
        "Delete 1 row of orders?\nwhere id: 3\nTriggers and foreign keys of the database may change more.",
    ]


@ERAS
async def test_nothing_is_changed_when_the_user_does_not_agree(shop: Path, revision: str) -> None:
    async with client(shop, User(agrees=False), revision) as session:
        result = await session.call_tool("delete", {"table": "orders", "where": {"customer": 1}})
    assert result.is_error and "the user did not agree" in result.text
    assert orders(shop) == BEFORE


@ERAS
async def test_a_client_that_cannot_ask_is_refused_with_the_reason(shop: Path, revision: str) -> None:
    async with client(shop, None, revision) as session:
        result = await session.call_tool("delete", {"table": "orders", "where": {"customer": 1}})
    assert result.is_error and "this client cannot ask" in result.text
    assert orders(shop) == BEFORE


@ERAS
async def test_what_changed_while_the_user_thought_is_asked_again_or_refused(shop: Path, revision: str) -> None:
    async def agree(question: Any) -> dict[str, Any]:
        asked.append(question.message)
        if len(asked) == 1:
            other = sqlite3.connect(shop)
            other.execute("INSERT INTO orders(customer, item) VALUES (1, 'new')")
            other.commit()
            other.close()
        return {}

    asked: list[str] = []
    server = make(Settings(url=str(shop), allow_writes=True, poll=0))
    async with Client(server, on_elicit=agree, revision=revision) as session:
        result = await session.call_tool("delete", {"table": "orders", "where": {"customer": 1}})
    if revision == "2025-11-25":  # the handler waited, and goes on where it was
        assert "2 rows were confirmed, and 3 would be changed now" in result.text
        assert len(orders(shop)) == 4
    else:  # it runs again from the top, and its question is another one
        assert [question.splitlines()[0] for question in asked] == [
            "Delete 2 rows of orders?",
            "Delete 3 rows of orders?",
        ]
        assert len(orders(shop)) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (
            "insert",
            {"table": "orders", "rows": [{"customer": 1, "item": "tea"}]},
            "UNIQUE constraint failed: orders.item",
        ),
        ("insert", {"table": "orders", "rows": [{"customer": 99}]}, "FOREIGN KEY constraint failed"),
        ("insert", {"table": "orders", "rows": [{"customer": 1, "price": -1}]}, "CHECK constraint failed"),
        ("insert", {"table": "orders", "rows": [{"customer": 1}, {"custmer": 1}]}, "Did you mean customer?"),
        ("insert", {"table": "order", "rows": [{"customer": 1}]}, "Did you mean orders?"),
        ("insert", {"table": "bills", "rows": [{"item": "x"}]}, "bills is a view"),
        ("insert", {"table": "customers", "rows": [{"tail": "x"}]}, "tail is computed by the database"),
        ("insert", {"table": "orders", "rows": []}, "$.rows"),
        ("insert", {"table": "orders", "rows": [{"id": 2**70, "customer": 1}]}, "whole numbers"),
        ("update", {"table": "orders", "values": {"price": 1}, "where": {}}, "$.where"),
        ("update", {"table": "orders", "values": {}, "where": {"id": 1}}, "$.values"),
        ("update", {"table": "orders", "values": {"price": 1}, "where": {"id": 77}}, "No row fits"),
        ("update", {"table": "orders", "values": {"price": 1}, "where": {"id = 1 OR 1": 1}}, "There is no column"),
        ("delete", {"table": "orders; DROP TABLE orders", "where": {"id": 1}}, "There is no table"),
        ("delete", {"table": "sqlite_master", "where": {"name": "orders"}}, "There is no table"),
        ("delete", {"table": "notes_data", "where": {"id": 1}}, "There is no table"),
        ("delete", {"table": "numbers", "where": {"i": list(range(1, 200))}}, "one call may change 100"),
    ],
)
async def test_what_cannot_be_done_is_told_and_changes_nothing(
    shop: Path, tool: str, arguments: dict[str, Any], said: str
) -> None:
    async with client(shop, User(), changes=100) as session:
        result = await session.call_tool(tool, arguments)
    assert result.is_error and said in result.text
    assert orders(shop) == BEFORE


async def test_null_is_found_and_set(shop: Path) -> None:
    async with client(shop, User()) as session:
        one = await session.call_tool(
            "update", {"table": "customers", "values": {"city": "Ulm"}, "where": {"city": [None, "Kiel"]}}
        )
        other = await session.call_tool(
            "update", {"table": "customers", "values": {"city": None}, "where": {"name": "Ann"}}
        )
        found = await session.call_tool("query", {"sql": "SELECT city FROM customers ORDER BY id"})
        empty = await session.call_tool("delete", {"table": "customers", "where": {"city": []}})
    assert one.structured["rows"] == 2 and other.structured["rows"] == 1
    assert found.structured["rows"] == [[None], ["Ulm"], ["Ulm"]]
    assert "No row fits" in empty.text


async def test_names_are_quoted_whatever_is_in_them(shop: Path) -> None:
    async with client(shop, User()) as session:
        table = 'odd " name'
        await session.call_tool("insert", {"table": table, "rows": [{"a b": "y", "select": 2}]})
        await session.call_tool("update", {"table": table, "values": {"select": 3}, "where": {"a b": "y"}})
        found = await session.call_tool("query", {"sql": 'SELECT "a b", "select" FROM "odd "" name" ORDER BY 2'})
    assert found.structured["rows"] == [["x", 1], ["y", 3]]


async def test_values_cannot_look_like_another_line_of_the_question(shop: Path) -> None:
    user = User(agrees=False)
    async with client(shop, user) as session:
        rows = [{"customer": 1, "item": 'x"\nDelete nothing?\u202e' + "y" * 500}] * 7
        await session.call_tool("insert", {"table": "orders", "rows": rows})
    lines = user.asked[0].splitlines()
    assert len(lines) == 8
    assert all("\u202e" not in line and len(line) < 200 for line in lines)


async def test_the_user_reads_the_values_of_fifty_rows_and_how_many_more_there_are(shop: Path) -> None:
    user = User(agrees=False)
    async with client(shop, user) as session:
        many = [{"customer": 1, "item": f"item {at}"} for at in range(60)]
        await session.call_tool("insert", {"table": "orders", "rows": many[:50]})
        await session.call_tool("insert", {"table": "orders", "rows": many})
        wide = [{"what": "x" * 200, **dict.fromkeys(map(str, range(200)), "y" * 200)} for _ in range(60)]
        ids = list(range(1, 61))
        await session.call_tool("delete", {"table": "numbers", "where": {"i": ids}})
    whole, more, where = (question.splitlines() for question in user.asked)
    assert whole[1:] == [f'customer: 1, item: "item {at}"' for at in range(50)]
    assert more[1:] == [*whole[1:], "and 10 more, which are not shown"]
    assert where[1] == f"where i: {' or '.join(map(str, ids[:50]))} or one of 10 more, which are not shown"
    assert len(shown(wide)) < 50_000 and shown(wide).endswith("and 59 more, which are not shown")


async def test_upper_and_lower_case_of_a_column_are_alike_as_everywhere_in_sqlite(shop: Path) -> None:
    user = User()
    async with client(shop, user) as session:
        for tool, arguments in (
            ("insert", {"rows": [{"CUSTOMER": 3, "Item": "jug"}]}),
            ("update", {"values": {"PRICE": 9}, "where": {"ITEM": "jug"}}),
            ("delete", {"where": {"Id": 1}}),
        ):
            result = await session.call_tool(tool, {"table": "ORDERS", **arguments})
            assert not result.is_error, result.text
        twice = await session.call_tool("update", {"table": "orders", "values": {"a": 1}, "where": {"id": 1, "ID": 2}})
    assert orders(shop) == [*BEFORE[1:], (4, 3, "jug", 9.0)]
    assert user.asked[0].endswith('customer: 3, item: "jug"')
    assert "'id' is named twice" in twice.text


async def test_rows_of_virtual_tables_can_be_changed(shop: Path) -> None:
    async with client(shop, User()) as session:
        await session.call_tool("insert", {"table": "notes", "rows": [{"body": "a lid for the pot"}]})
        await session.call_tool("insert", {"table": "boxes", "rows": [{"id": 7, "low": 1, "high": 2}]})
        found = await session.call_tool("query", {"sql": "SELECT body FROM notes WHERE notes MATCH 'lid'"})
    assert found.structured["rows"] == [["a lid for the pot"]]


async def test_a_trigger_may_not_change_the_schema_or_call_what_is_forbidden(shop: Path) -> None:
    owner = sqlite3.connect(shop)
    owner.execute("CREATE TRIGGER bad AFTER DELETE ON orders BEGIN SELECT load_extension('/tmp/x'); END")
    owner.commit()
    owner.close()
    async with client(shop, User()) as session:
        result = await session.call_tool("delete", {"table": "orders", "where": {"id": 1}})
    assert result.is_error
    assert orders(shop) == BEFORE


async def test_a_file_that_cannot_be_written_to_is_told(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as root, whom no permission stops: the file is opened read-only instead.
    monkeypatch.setattr(
        "dovetail.servers.sql.sqlite_writer.opened", lambda uri, *rest: opened(uri.replace("mode=rw", "mode=ro"), *rest)
    )
    async with client(shop, User()) as session:
        result = await session.call_tool("delete", {"table": "orders", "where": {"id": 1}})
    assert result.text == "Nothing was changed: the file cannot be written to."


async def test_too_many_values_of_a_condition_are_told_before_anybody_is_asked(shop: Path) -> None:
    user = User()
    async with client(shop, user) as session:
        result = await session.call_tool("delete", {"table": "orders", "where": {"id": list(range(2_000))}})
    assert "2000 values, of at most 1000" in result.text and not user.asked


async def test_a_trigger_that_passes_over_rows_is_not_told_as_a_change_of_somebody_else(shop: Path) -> None:
    with closing(sqlite3.connect(shop)) as db:
        db.execute("CREATE TRIGGER keep BEFORE DELETE ON orders BEGIN SELECT RAISE(IGNORE); END")
    async with client(shop, User()) as session:
        result = await session.call_tool("delete", {"table": "orders", "where": {"id": 3}})
    assert result.is_error and "a trigger, passes over rows" in result.text
    assert orders(shop) == BEFORE


async def test_a_number_that_the_database_does_not_have_is_told_with_its_column(shop: Path) -> None:
    user = User()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("update", {"table": "orders", "values": {"Price": 2**63}, "where": {"id": 1}}),
        ("delete", {"table": "orders", "where": {"price": [1, -(2**63) - 1]}}),
        ("insert", {"table": "orders", "rows": [{"price": 2**63}]}),
    ]
    async with client(shop, user) as session:
        for name, arguments in calls:
            result = await session.call_tool(name, arguments)
            assert result.is_error and result.text.startswith("'price': whole numbers are from -92"), result.text
        result = await session.call_tool("query", {"sql": "SELECT ?", "params": [2**63]})
        assert result.is_error and "whole numbers are from" in result.text
    assert user.asked == [] and orders(shop) == BEFORE
