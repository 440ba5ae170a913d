"""Resources, completion, prompts, and who hears of changes."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client, get_context
from dovetail.errors import PeerError
from dovetail.servers.sql import Settings, make
from dovetail.servers.sql.live import Live
from dovetail.wire import ResourceTemplateReference

ERAS = pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])


async def read(session: Client, uri: str) -> Any:
    result = await session.read_resource(uri)
    return json.loads(result.contents[0].text or "")


@ERAS
async def test_the_schema_is_a_resource_and_each_table_has_one(shop: Path, revision: str) -> None:
    async with Client(make(Settings(url=str(shop), poll=0)), revision=revision) as session:
        resources = await session.list_resources()
        templates = await session.list_resource_templates()
        whole = await read(session, "sql://schema")
        one = await read(session, "sql://schema/orders")
    assert [resource.uri for resource in resources] == ["sql://schema"]
    assert [template.uri_template for template in templates] == [
        "sql://schema/{table}",
        "sql://table/{table}{?cursor}",
    ]
    assert one in whole["tables"] and one["name"] == "orders"


async def test_a_table_is_read_page_by_page(shop: Path) -> None:
    seen: list[int] = []
    uri: str | None = "sql://table/numbers"
    async with Client(make(Settings(url=str(shop), page_size=2000, poll=0))) as session:
        while uri:
            page = await read(session, uri)
            seen += [row[0] for row in page["rows"]]
            uri = page.get("next")
    assert seen == list(range(1, 5001))


async def test_a_table_with_an_odd_name_has_a_resource(shop: Path) -> None:
    async with Client(make(Settings(url=str(shop), poll=0))) as session:
        page = await read(session, "sql://table/odd%20%22%20name")
    assert page == {"columns": ["a b", "select"], "rows": [["x", 1]]}


@ERAS
@pytest.mark.parametrize("uri", ["sql://table/secrets", "sql://table/nothing", "sql://schema/secrets"])
async def test_a_table_that_is_denied_is_as_missing_as_one_that_is_not_there(
    shop: Path, revision: str, uri: str
) -> None:
    async with Client(make(Settings(url=str(shop), deny=("secrets",), poll=0)), revision=revision) as session:
        with pytest.raises(PeerError) as caught:
            await session.read_resource(uri)
    assert caught.value.code == (-32002 if revision == "2025-11-25" else -32602)


@ERAS
async def test_a_cursor_of_something_else_is_the_callers_mistake(shop: Path, revision: str) -> None:
    async with Client(make(Settings(url=str(shop), poll=0)), revision=revision) as session:
        with pytest.raises(PeerError, match="The cursor does not belong to this statement") as caught:
            await session.read_resource("sql://table/orders?cursor=zz")
    assert caught.value.code == -32602


@ERAS
async def test_names_of_tables_are_suggested(shop: Path, revision: str) -> None:
    server = make(Settings(url=str(shop), deny=("secrets",), poll=0))
    async with Client(server, revision=revision) as session:
        reference = ResourceTemplateReference(uri="sql://table/{table}{?cursor}")
        some = await session.complete(reference, "table", "O")
        all_of_them = await session.complete(reference, "table", "")
    assert sorted(some.values) == ['odd " name', "orders"]
    assert "secrets" not in all_of_them.values and "customers" in all_of_them.values


async def test_the_prompts_have_the_schema_in_them(shop: Path) -> None:
    async with Client(make(Settings(url=str(shop), deny=("customers.card",), poll=0))) as session:
        prompts = {prompt.name for prompt in await session.list_prompts()}
        answer = str(await session.get_prompt("answer", {"question": "Who buys most?"}))
        explore = str(await session.get_prompt("explore", {"focus": "prices"}))
    assert prompts == {"answer", "explore"}
    assert "Who buys most?" in answer and "- customers (id INTEGER, name TEXT, city TEXT); key id" in answer
    assert "prices" in explore and "customer refers to customers" in explore


@ERAS
async def test_our_own_change_is_told_to_who_subscribed(shop: Path, revision: str) -> None:
    async def agree(question: Any) -> dict[str, Any]:
        return {}

    server = make(Settings(url=str(shop), allow_writes=True, poll=0))
    async with Client(server, on_elicit=agree, revision=revision) as session:
        async with session.listen(resources=["sql://table/orders"]) as changes:
            await session.call_tool("delete", {"table": "orders", "where": {"id": 1}})
            change = await anext(changes)
    assert change.uri == "sql://table/orders"


@ERAS
async def test_a_change_from_outside_is_told_to_who_subscribed(shop: Path, revision: str) -> None:
    server = make(Settings(url=str(shop), poll=0))

    @server.tool
    async def look() -> bool:
        """Look now, instead of in a second."""
        live: Live = get_context().lifespan
        return await live.look()

    async with Client(server, revision=revision) as session:
        await session.call_tool("look")
        async with session.listen(resources=["sql://table/orders", "sql://schema"]) as changes:
            other = sqlite3.connect(shop, isolation_level=None)
            other.execute("DELETE FROM orders")
            await session.call_tool("look")
            rows = await anext(changes)
            other.execute("CREATE TABLE fresh(a)")
            other.close()
            await session.call_tool("look")
            told = {(await anext(changes)).uri for _ in range(2)}
    assert rows.uri == "sql://table/orders"
    assert told == {"sql://table/orders", "sql://schema"}


async def test_the_server_looks_by_itself(shop: Path) -> None:
    async with Client(make(Settings(url=str(shop), poll=0.05))) as session:
        await session.call_tool("list_tables")
        async with session.listen(resources=["sql://table/orders"]) as changes:
            other = sqlite3.connect(shop, isolation_level=None)
            other.execute("DELETE FROM orders")
            other.close()
            assert (await anext(changes)).uri == "sql://table/orders"
