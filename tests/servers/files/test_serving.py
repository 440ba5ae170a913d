"""The files server as a process over stdio and over HTTP, as a host starts it."""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client
from dovetail.client import Retry
from dovetail.servers.files import Settings, make
from dovetail.store import SqliteStores
from tests.client.serving import serving
from tests.servers.files.test_watching import standing

pytestmark = pytest.mark.timeout(60)
SERVE = [sys.executable, "-m", "dovetail", "serve", "files"]


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_a_host_starts_it_over_stdio(house: Path, revision: str) -> None:
    command = [*SERVE, str(house), "--read-only", "--max-read", "2048"]
    async with Client(command, revision=revision, env=dict(os.environ)) as client:
        assert (await client.call_tool("read_text_file", {"path": "docs/a.txt"})).text == "fine"
        assert "write_file" not in {tool.name for tool in await client.list_tools()}
        found = (await client.call_tool("search_text", {"pattern": "fine"})).structured
        assert [match["path"] for match in found["matches"]] == ["docs/a.txt", "docs/deep/b.txt"]
        uri = (house / "docs" / "a.txt").as_uri()
        await standing(client, revision)
        async with client.listen(resources=[uri]) as changes:
            await asyncio.to_thread((house / "docs" / "a.txt").write_text, "changed")
            assert (await asyncio.wait_for(anext(changes), 20)).uri == uri


async def test_roots_of_the_client_over_stdio(house: Path) -> None:
    async with Client(SERVE, roots=[house], env=dict(os.environ)) as client:
        assert (await client.call_tool("read_text_file", {"path": "docs/a.txt"})).text == "fine"


@pytest.mark.req("S-19")
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_over_a_network_no_roots_are_taken_from_a_client(house: Path, revision: str) -> None:
    async with (
        serving(make(Settings(watch=0)).asgi()) as url,
        Client(url, revision=revision, roots=[house]) as client,
    ):
        result = await client.call_tool("read_text_file", {"path": "docs/a.txt"})
        assert result.is_error
        assert "takes none from a client over a network" in result.text


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_over_http_changes_are_heard_of_too(house: Path, revision: str) -> None:
    async with (
        serving(make(Settings(directories=(str(house),))).asgi()) as url,
        Client(url, revision=revision, retry=Retry(idempotent_tools=True)) as client,
    ):
        await client.list_tools()  # which say that they may be called again, when there were too many calls
        uri = (house / "docs" / "a.txt").as_uri()
        await standing(client, revision)
        async with client.listen(resources=[uri]) as changes:
            await asyncio.to_thread((house / "docs" / "a.txt").write_text, "changed")
            assert (await asyncio.wait_for(anext(changes), 20)).uri == uri


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_over_http_who_only_listens_hears_also_after_a_restart(
    house: Path, tmp_path_factory: pytest.TempPathFactory, revision: str
) -> None:
    state = tmp_path_factory.mktemp("state")
    first, second = house / "docs" / "a.txt", house / "docs" / "deep" / "b.txt"

    def app() -> Any:
        return make(Settings(directories=(str(house),))).asgi(stores=SqliteStores(state))

    async def heard(changes: Any, path: Path) -> None:
        """Change a file, again and again, until that is heard of: nobody says when the watch stands."""

        async def hear() -> None:
            while (await anext(changes)).uri != path.as_uri():
                pass

        hearing = asyncio.ensure_future(hear())
        async with asyncio.timeout(8):  # a client that hears nothing for longer asks again, which is a call
            for number in count():
                await asyncio.to_thread(path.write_text, f"{number}")
                if (await asyncio.wait((hearing,), timeout=0.2))[0]:
                    break
        await hearing

    async with serving(app()) as url:
        client = Client(url, revision=revision)
        await client.__aenter__()
        listening = client.listen(resources=[first.as_uri(), second.as_uri()])
        changes = await listening.__aenter__()
        await heard(changes, first)
    async with serving(app(), int(url.split(":")[2].partition("/")[0])):
        await heard(changes, second)
        await listening.__aexit__(None, None, None)
        await client.aclose()
