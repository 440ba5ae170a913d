"""Notices when the way between the workers is broken: this process is told all the same."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dovetail import Client, Server
from dovetail.core import Notice
from dovetail.errors import DefinitionError
from dovetail.server.notices import Hub
from dovetail.store import SqliteStores
from tests.client.serving import serving


class Hearer:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Notice] = asyncio.Queue()

    def deliver(self, notice: Notice) -> None:
        self.heard.put_nowait(notice)

    def beat(self) -> None:
        """Nothing to keep alive."""


async def test_a_notice_that_the_store_does_not_take_reaches_who_listens_here(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    stores = SqliteStores(tmp_path_factory.mktemp("state"))
    await stores.open()
    hub, hearer = Hub(stores.bus), Hearer()
    hub.open()
    hub.join(hearer)
    await stores.aclose()
    with caplog.at_level(logging.ERROR, logger="dovetail.server"):
        await hub.publish(Notice("notifications/tools/list_changed"))
        assert hearer.heard.get_nowait() == Notice("notifications/tools/list_changed")
        assert hearer.heard.empty(), "once"
    assert "this process alone" in caplog.text
    hub.close()


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_an_update_is_told_outside_of_any_call_and_from_any_thread(version: str) -> None:
    app, outer = Server("inner"), Server("outer")

    @app.resource("shop://hours")
    def hours() -> str:
        """When the shop is open."""
        return "9 to 17"

    outer.mount(app)
    async with (
        Client(outer, revision=version) as client,
        client.listen(resources=["shop://hours"]) as changes,
        asyncio.timeout(5),
    ):
        await asyncio.to_thread(app.notify.resource_updated, "shop://hours")
        assert (await anext(changes)).uri == "shop://hours"
    with pytest.raises(DefinitionError, match="uri: expected a string"):
        app.notify.resource_updated(7)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="whole characters"):
        app.notify.resource_updated("file:///\udcff")


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_an_update_of_what_lies_below_reaches_each_subscriber_over_http(version: str) -> None:
    app = Server("shop")

    @app.resource("shop://{+path}")
    def page(path: str) -> str:
        """A page."""
        return path

    async with (
        serving(app.asgi()) as url,
        Client(url, revision=version) as client,
        client.listen(resources=["shop://tea/green/one", "shop://teapot", "shop://tea/black"]) as changes,
        asyncio.timeout(10),
    ):
        app.notify.resource_updated("shop://tea", below=True)
        app.notify.resource_updated("shop://teapot")
        heard = [(await anext(changes)).uri for _ in range(3)]
    assert heard == ["shop://tea/black", "shop://tea/green/one", "shop://teapot"]


async def test_who_watches_is_told_when_somebody_listens() -> None:
    inner, outer, told = Server("inner"), Server("outer"), asyncio.Event()
    outer.mount(inner)
    async with Client(outer, revision="2026-07-28") as client:
        with inner.notify.when_heard(told.set):
            await client.list_tools()
            assert not told.is_set()
            async with client.listen(tools=True):
                assert told.is_set()
        told.clear()
        async with client.listen(tools=True):
            assert not told.is_set(), "nobody waits any more"


async def test_a_watcher_that_fails_is_logged_and_the_client_listens_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, told = Server("watched"), list[str]()

    def fail() -> None:
        raise RuntimeError("mine")

    async with Client(app, revision="2026-07-28") as client:
        with app.notify.when_heard(fail), app.notify.when_heard(lambda: told.append("heard")):
            async with client.listen(tools=True):
                assert told == ["heard"]
    assert "What watched has called when a client listens failed" in caplog.text


async def test_a_stream_that_a_restart_left_to_come_back_counts_at_the_start(tmp_path: Path) -> None:
    told: list[str] = []

    def made() -> Server:
        async def lifespan(server: Server) -> AsyncIterator[None]:
            with server.notify.when_heard(lambda: told.append("heard")):
                yield

        return Server("kept", lifespan=lifespan, stores=SqliteStores(tmp_path))

    async with serving(made().asgi()) as url:
        client = Client(url, revision="2025-11-25")
        await client.__aenter__()
        async with client.listen(tools=True), asyncio.timeout(5):
            while not told:
                await asyncio.sleep(0)
    told.clear()
    async with serving(made().asgi()):
        assert told == ["heard"]
    await client.aclose()
