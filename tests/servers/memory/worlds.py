"""What the tests of the memory server share: a client of it on a file, and a small graph."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dovetail import Client
from dovetail.servers.memory import Settings, make

PEOPLE: list[dict[str, Any]] = [
    {"name": "Ann Lee", "entityType": "person", "observations": ["likes coffee", "lives in São Paulo"]},
    {"name": "Bob_Ray", "entityType": "person", "observations": ["likes tea", "writes TypeScript and C++"]},
    {"name": "Acme", "entityType": "company", "observations": ["sells coffee machines"]},
    {"name": "王小明", "entityType": "person", "observations": ["住在北京市"]},
]
TIES = [
    {"from": "Ann Lee", "to": "Acme", "relationType": "works_at"},
    {"from": "Bob_Ray", "to": "Ann Lee", "relationType": "knows"},
]


@asynccontextmanager
async def memory(path: Path, revision: str | None = None, **settings: Any) -> AsyncIterator[Client]:
    """Visit a memory in a file."""
    options: dict[str, Any] = {} if revision is None else {"revision": revision}
    async with Client(make(Settings(file=str(path), **settings)), **options) as client:
        yield client


async def told(client: Client, tool: str, **arguments: Any) -> Any:
    """Call a tool that must not fail; return what it says, as JSON."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.text
    return result.structured


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must fail; return what the model reads."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.text
    return result.text


async def fill(client: Client) -> None:
    """Write the small graph."""
    await told(client, "create_entities", entities=PEOPLE)
    await told(client, "create_relations", relations=TIES)


def names(nodes: Any) -> list[str]:
    """Return the names of the entities of an answer."""
    return [entity["name"] for entity in nodes["entities"]]
