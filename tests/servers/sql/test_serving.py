"""As people start it: over stdio, from the command line."""

import sys
from pathlib import Path

import pytest

from dovetail import Client


@pytest.mark.timeout(60)
async def test_it_is_served_over_stdio(shop: Path) -> None:
    command = [sys.executable, "-m", "dovetail", "serve", "sql", str(shop), "--deny", "secrets", "--page-size", "2"]
    async with Client(command) as session:
        page = (await session.call_tool("query", {"sql": "SELECT id FROM orders ORDER BY id"})).structured
        denied = await session.call_tool("query", {"sql": "SELECT * FROM secrets"})
        names = {tool.name for tool in await session.list_tools()}
    assert page["rows"] == [[1], [2]] and page["next_cursor"]
    assert denied.is_error
    assert names == {"query", "list_tables", "describe_table", "explain"}


@pytest.mark.timeout(60)
async def test_postgresql_is_served_with_the_password_from_the_environment(postgres: str) -> None:
    host = postgres.partition("host=")[2]
    environment = {"PGHOST": host, "PGUSER": "postgres", "PGPASSWORD": "hunter2", "PGDATABASE": "shop"}
    command = [sys.executable, "-m", "dovetail", "serve", "sql", "postgresql://"]
    async with Client(command, env=environment) as session:
        page = (await session.call_tool("query", {"sql": "SELECT count(*) FROM orders"})).structured
    assert page["rows"] == [[3]]
