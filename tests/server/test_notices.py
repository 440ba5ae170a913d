"""Notices when the way between the workers is broken: this process is told all the same."""

import asyncio
import logging

import pytest

from dovetail import Client, Server
from dovetail.core import Notice
from dovetail.errors import DefinitionError
from dovetail.server.notices import Hub
from dovetail.store import SqliteStores


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
