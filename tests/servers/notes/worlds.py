"""What the tests of the notes server share: a client of it on a folder, and a few notes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dovetail import Client
from dovetail.servers.notes import Settings, make

TOMATOES = "---\ntitle: Tomatoes\ntags:\n  - garden\n  - food\n---\n# Growing\n\nWater the tomatoes daily.\n"
BEANS = "# Beans\n\nBeans need a pole, and water.\n"
CAFE = "---\ntags: [travel, Café]\n---\nA café in Zürich.\r\nOpen daily.\r\n"


def fill(folder: Path) -> None:
    """Write a few notes, and what is none."""
    (folder / "garden").mkdir()
    (folder / "garden" / "tomatoes.md").write_text(TOMATOES)
    (folder / "garden" / "beans.md").write_text(BEANS)
    (folder / "Zürich.md").write_bytes(CAFE.encode())
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".secret.md").write_text("hidden")
    (folder / ".obsidian").mkdir()
    (folder / ".obsidian" / "plugin.md").write_text("hidden")


@asynccontextmanager
async def notes(folder: Path, revision: str | None = None, **settings: Any) -> AsyncIterator[Client]:
    """Visit the notes in a folder."""
    options: dict[str, Any] = {} if revision is None else {"revision": revision}
    async with Client(make(Settings(directory=str(folder), **settings)), **options) as client:
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


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder, hidden ones, too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
